// Any bytes as what a program sends to the relay of a unit: what goes on is one request line and
// headers, and says nothing between a client and its proxy.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "unit/proxy_head.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  auto const head = drover::unit::read_proxy_head(text);
  if (!head || !*head) return 0;
  bool fine = (*head)->size <= size && !(*head)->target.contains(' ') &&
              !(*head)->target.contains('\r') && !(*head)->target.contains('\n');
  std::string_view const forward = (*head)->forward;
  fine = fine && (forward.empty() || forward.ends_with("Connection: close\r\n\r\n"));
  if (!fine) std::abort();
  return 0;
}
