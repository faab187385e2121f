// A response from an untrusted peer: no crash, no hang, bounds hold, and every cut of the bytes
// gives the same head, body and end.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/http_response_parser.h"

namespace net = drover::net;

namespace {

constexpr net::HttpResponseBounds kBounds{
    .head_bytes_max = 512, .headers_max = 8, .chunk_line_bytes_max = 32, .interim_max = 2};

struct Outcome {
  bool refused = false;
  bool done = false;
  int status = 0;
  std::size_t headers = 0;
  std::size_t taken = 0;
  std::string body{};
  friend bool operator==(Outcome const&, Outcome const&) = default;
};

Outcome parse(std::string_view text, net::ResponseTo to, std::size_t step) {
  net::HttpResponseParser parser{to, kBounds};
  Outcome out;
  while (out.taken < text.size() && !parser.done()) {
    std::string_view const piece = text.substr(out.taken, step);
    auto const taken = parser.feed(piece, out.body);
    if (!taken) return {.refused = true};
    // Bytes stay behind only where the response is complete.
    if (*taken > piece.size() || (*taken < piece.size() && !parser.done())) std::abort();
    out.taken += *taken;
  }
  out.done = parser.finish().has_value();
  if (parser.head_done()) {
    out.status = parser.head().status;
    out.headers = parser.head().headers.size();
    if (out.status < 200 || out.status > 999 || out.headers > kBounds.headers_max) std::abort();
    if (!net::check_headers(parser.head().headers)) std::abort();
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view const text{reinterpret_cast<char const*>(data) + 1, size - 1};
  auto const to = (data[0] & 0x80U) != 0 ? net::ResponseTo::head : net::ResponseTo::get;
  Outcome const whole = parse(text, to, text.size() + 1);
  Outcome const cut = parse(text, to, std::size_t{1} + data[0] % 8);
  if (whole != cut) std::abort();
  if (whole.body.size() > text.size()) std::abort();
  return 0;
}
