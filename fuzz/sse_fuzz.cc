// A server-sent event stream from an untrusted peer: no crash, the same events for every cut, the
// bound holds, and what is parsed prints to a text that parses the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/sse.h"

namespace net = drover::net;

namespace {

constexpr std::size_t kBytesMax = 256;

using Events = std::vector<net::SseEvent>;

// nullopt where the parser refused.
std::optional<Events> parse(std::string_view text, std::size_t step) {
  net::SseParser parser{kBytesMax};
  Events all;
  for (std::size_t at = 0; at < text.size(); at += step) {
    auto events = parser.feed(text.substr(at, step));
    if (!events) return std::nullopt;
    for (auto& event : *events)
      all.push_back(std::move(event));
  }
  return all;
}

bool same(net::SseEvent const& left, net::SseEvent const& right) {
  return left.event == right.event && left.data == right.data && left.id == right.id;
}

void check_round_trip(net::SseEvent const& event) {
  net::SseParser parser;
  auto const again = parser.feed(net::format_sse(event.id, event.event, event.data));
  if (!again || again->size() != 1) std::abort();
  // A NUL in the name prints as a space; every other byte survives.
  bool const plain = event.event.find('\0') == std::string::npos;
  if (plain && !same(again->front(), event)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view const text{reinterpret_cast<char const*>(data) + 1, size - 1};
  auto const whole = parse(text, text.size() + 1);
  auto const cut = parse(text, std::size_t{1} + data[0] % 8);
  if (whole.has_value() != cut.has_value()) std::abort();
  if (!whole) return 0;
  if (whole->size() != cut->size()) std::abort();
  for (std::size_t i = 0; i < whole->size(); ++i) {
    if (!same((*whole)[i], (*cut)[i])) std::abort();
    if ((*whole)[i].data.size() > kBytesMax) std::abort();
    check_round_trip((*whole)[i]);
  }
  return 0;
}
