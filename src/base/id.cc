#include "base/id.h"

#include <array>

#include "base/text.h"

namespace drover {

namespace {

constexpr std::size_t kSlugLengthMax = 63;
constexpr std::string_view kCrockford = "0123456789abcdefghjkmnpqrstvwxyz";

bool is_slug_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_slug(std::string_view text) {
  if (text.empty() || text.size() > kSlugLengthMax || !is_slug_char(text.front())) return false;
  for (char const c : text)
    if (!is_slug_char(c) && c != '-') return false;
  return true;
}

std::string make_slug(std::string_view text) {
  std::string slug;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (is_slug_char(c)) {
      slug += c;
    } else if (!slug.empty() && slug.back() != '-') {
      slug += '-';
    }
    if (slug.size() == kSlugLengthMax) break;
  }
  while (!slug.empty() && slug.back() == '-')
    slug.pop_back();
  return slug.empty() ? "x" : slug;
}

std::string new_id_text(std::string_view prefix, Clock const& clock, Random& random) {
  // A ULID: 48 bits of milliseconds, then 80 random bits, in Crockford's base 32 (lower case).
  std::array<std::byte, 10> noise{};
  random.fill(noise);
  auto const time_ms = static_cast<std::uint64_t>(to_unix_ms(clock.now()));
  std::string text{prefix};
  text += '-';
  for (int shift = 45; shift >= 0; shift -= 5)
    text += kCrockford[static_cast<std::size_t>(time_ms >> shift & 31)];
  unsigned bits = 0;
  unsigned held = 0;
  for (std::byte const byte : noise) {
    held = held << 8 | std::to_integer<unsigned>(byte);
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += kCrockford[held >> bits & 31];
    }
  }
  return text;
}

Error bad_id(std::string_view kind, std::string_view text) {
  return {ErrorCode::invalid_argument,
          fmt::format("'{}' is not a {} id", printable(text, 80), kind),
          "an id is 1 to 63 of a-z, 0-9 and '-', and starts with a letter or digit"};
}

}  // namespace drover
