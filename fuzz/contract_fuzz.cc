// Dispatches and unit events from untrusted peers: no crash, no hang, and what is accepted prints
// to a text that is accepted again and prints the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "contract/event.h"
#include "contract/invocation.h"
#include "contract/turn.h"

namespace contract = drover::contract;

namespace {

void invocation(std::string_view text) {
  auto const parsed = contract::parse_invocation(text);
  if (!parsed) {
    if (parsed.error().message.empty()) std::abort();
    return;
  }
  std::string const printed = contract::print(*parsed, contract::Tokens::keep);
  auto const again = contract::parse_invocation(printed);
  if (!again || contract::print(*again, contract::Tokens::keep) != printed) std::abort();
  if (!drover::is_slug(contract::unit_id(*parsed, {}))) std::abort();
  (void)contract::fingerprint(*parsed);
}

void events(std::string_view text) {
  auto const parsed = contract::parse_unit_events(text, 1000);
  if (!parsed) return;
  contract::EventHead const head{drover::RunId::trusted("run-1"), drover::Epoch{1}, "t"};
  for (auto const& event : *parsed) {
    std::string const draft = contract::draft_of(event, head);
    if (draft.find('\n') != std::string::npos || !drover::parse_json(draft)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  invocation(text);
  events(text);
  (void)contract::parse_turn(text);
  return 0;
}
