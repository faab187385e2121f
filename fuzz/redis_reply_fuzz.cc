// Replies of a server that need not be Redis: no crash, the same replies for every cut, the bounds
// hold.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "redis/reply.h"

namespace redis = drover::redis;

namespace {

constexpr redis::ReplyBounds kBounds{.bytes_max = 256, .items_max = 16, .depth_max = 3};

struct Outcome {
  std::vector<redis::Reply> replies;
  bool refused = false;
  friend bool operator==(Outcome const&, Outcome const&) = default;
};

Outcome parse(std::string_view text, std::size_t step) {
  redis::ReplyParser parser{kBounds};
  Outcome outcome;
  for (std::size_t at = 0; at < text.size(); at += step) {
    parser.feed(text.substr(at, step));
    for (;;) {
      auto reply = parser.next();
      if (!reply) {
        outcome.refused = true;
        return outcome;
      }
      if (!*reply) break;
      outcome.replies.push_back(std::move(**reply));
    }
  }
  return outcome;
}

std::size_t bytes_of(redis::Reply const& reply) {
  std::size_t bytes = reply.text.size();
  for (auto const& item : reply.items)
    bytes += bytes_of(item);
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view const text{reinterpret_cast<char const*>(data) + 1, size - 1};
  auto const whole = parse(text, text.size() + 1);
  auto const cut = parse(text, std::size_t{1} + data[0] % 8);
  if (whole != cut) std::abort();
  for (auto const& reply : whole.replies)
    if (bytes_of(reply) > kBounds.bytes_max) std::abort();
  return 0;
}
