#pragma once
// Landlock's interface up to ABI 7: Debian 12's header ends at ABI 2. The kernel takes the ruleset
// attribute in the size of its ABI. Constants are the kernel's (uapi/linux/landlock.h).
#include <cstddef>
#include <cstdint>

namespace drover::sandbox {

struct LandlockRuleset {
  std::uint64_t handled_fs = 0;
  std::uint64_t handled_net = 0;  // ABI 4
  std::uint64_t scoped = 0;       // ABI 6
};

struct [[gnu::packed]] LandlockPathRule {
  std::uint64_t allowed = 0;
  std::int32_t parent_fd = -1;
};

inline constexpr int kLandlockRulePathBeneath = 1;

namespace landlock {
inline constexpr std::uint64_t kExecute = 1ULL << 0U;
inline constexpr std::uint64_t kWriteFile = 1ULL << 1U;
inline constexpr std::uint64_t kReadFile = 1ULL << 2U;
inline constexpr std::uint64_t kReadDir = 1ULL << 3U;
inline constexpr std::uint64_t kMakeChar = 1ULL << 6U;
inline constexpr std::uint64_t kMakeBlock = 1ULL << 11U;
inline constexpr std::uint64_t kTruncate = 1ULL << 14U;
inline constexpr std::uint64_t kIoctlDevice = 1ULL << 15U;
inline constexpr std::uint64_t kScopes = 0b11;  // abstract sockets, signals

// Every right that the ABI knows.
[[nodiscard]] constexpr std::uint64_t all_rights(int abi) {
  unsigned const rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : abi == 1 ? 13 : 0;
  return (1ULL << rights) - 1;
}
[[nodiscard]] constexpr std::size_t attribute_size(int abi) {
  return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}
}  // namespace landlock

// 0 where the kernel has none or it is switched off.
[[nodiscard]] int landlock_abi();

}  // namespace drover::sandbox
