#include "workflow/ulid.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace drover::workflow {

namespace {

constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";  // Crockford's base 32
constexpr std::size_t kLength = 26;
constexpr std::size_t kTimeLength = 10;
// Leaves the next ULIDs of the same millisecond room to count up.
constexpr std::size_t kFirstRandomValues = 16;

std::string successor(std::string ulid) {
  for (std::size_t at = ulid.size(); at-- > 0;) {
    auto const digit = kDigits.find(ulid[at]);
    if (digit + 1 < kDigits.size()) {
      ulid[at] = kDigits[digit + 1];
      return ulid;
    }
    ulid[at] = kDigits.front();
  }
  return std::string(kLength, kDigits.back());
}

}  // namespace

bool is_ulid(std::string_view text) {
  return text.size() == kLength && text.front() <= '7' &&
         text.find_first_not_of(kDigits) == std::string_view::npos;
}

std::string next_ulid(WallTime now, Random& random, std::string_view floor) {
  std::string ulid(kLength, '0');
  auto time = static_cast<std::uint64_t>(to_unix_ms(now));
  for (std::size_t at = kTimeLength; at-- > 0; time /= kDigits.size())
    ulid[at] = kDigits[time % kDigits.size()];
  std::array<std::byte, kLength - kTimeLength> bytes{};
  random.fill(bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto const bound = i == 0 ? kFirstRandomValues : kDigits.size();
    ulid[kTimeLength + i] = kDigits[std::to_integer<std::size_t>(bytes[i]) % bound];
  }
  if (ulid > floor || !is_ulid(floor)) return ulid;
  return successor(std::string{floor});
}

}  // namespace drover::workflow
