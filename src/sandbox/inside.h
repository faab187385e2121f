#pragma once
// What a program sees of the walls around it, from the texts of its own /proc. Pure: the probe runs
// `cat` in a real sandbox and reads here what it printed, so that a layer counts as enforced
// because it was seen and not because it was asked for.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover::sandbox {

struct InsideMount {
  std::string target;
  std::string kind;  // of the file system
  bool read_only = false;
  bool nosuid = false;
  bool nodev = false;
  std::uint64_t size_bytes = 0;  // of a tmpfs; 0 where it has no bound
  std::uint64_t files = 0;       // of a tmpfs
};

struct Inside {
  long pid = -1;
  long uid = -1;
  std::uint64_t capabilities = ~0ULL;  // of all five sets together
  bool no_new_privileges = false;
  long seccomp = 0;  // 2: filtered
  std::vector<std::string> interfaces{};
  std::vector<InsideMount> mounts{};
};

// Of `cat /proc/self/status /proc/self/net/dev /proc/self/mountinfo`.
inline constexpr std::string_view kInsideFiles[] = {"/proc/self/status", "/proc/self/net/dev",
                                                    "/proc/self/mountinfo"};
[[nodiscard]] Result<Inside> parse_inside(std::string_view text);

// Each empty where the wall stands, else what is wrong with it.
[[nodiscard]] std::string fault_of_mounts(Inside const& inside);
[[nodiscard]] std::string fault_of_network(Inside const& inside);
[[nodiscard]] std::string fault_of_privileges(Inside const& inside);

}  // namespace drover::sandbox
