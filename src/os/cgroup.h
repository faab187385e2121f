#pragma once
// Control groups of either version, one controller at a time: machines mix v1 and v2.
// CgroupHost says where groups can be made and which limits hold; a Cgroup is one named set of
// groups, one folder in each hierarchy that is used, below the group of this process.
// CgroupHost is immutable after detect(); a Cgroup has one owner. Waits have deadlines and block.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"

namespace drover::os {

// What a group can be asked to do. `tree` is the v2 hierarchy itself: kill, freeze, clone into.
enum class CgroupDuty : std::uint8_t { memory, pids, cpu, freezer, tree };
inline constexpr std::size_t kCgroupDuties = 5;
[[nodiscard]] std::string_view to_string(CgroupDuty duty);

enum class CgroupVersion : std::uint8_t { v1, v2 };

struct CgroupPlace {
  std::string folder;  // where our groups are made
  CgroupVersion version = CgroupVersion::v2;
};

// One line of a process's group table: its own group in a mounted hierarchy.
struct CgroupMembership {
  std::string mount;  // mount point
  std::string own;    // folder of the process's own group, or the mount point if that is hidden
  CgroupVersion version = CgroupVersion::v2;
  std::vector<std::string> controllers;  // v1 only
};
// From the texts of /proc/self/mountinfo and /proc/self/cgroup.
[[nodiscard]] std::vector<CgroupMembership> parse_cgroups(std::string_view mountinfo,
                                                          std::string_view memberships);

class CgroupHost {
 public:
  // Looks at this process's groups. On v2 with delegated controllers it moves this process into a
  // child group `drover-main`, since a v2 group with processes cannot limit its children.
  [[nodiscard]] static CgroupHost detect();
  // From what another place tells: the texts of mountinfo and cgroup, with their folders.
  [[nodiscard]] static CgroupHost detect(std::string_view mountinfo, std::string_view memberships);

  // Where the duty is done, or nullptr; then why_not() says why.
  [[nodiscard]] CgroupPlace const* place(CgroupDuty duty) const;
  [[nodiscard]] std::string const& why_not(CgroupDuty duty) const;

 private:
  std::array<std::optional<CgroupPlace>, kCgroupDuties> places_;
  std::array<std::string, kCgroupDuties> why_not_;
};

struct CgroupLimits {
  std::optional<std::uint64_t> memory_bytes{};
  std::optional<std::uint64_t> pids{};
  std::optional<std::uint64_t> cpu_milli{};  // thousandths of one CPU; at most the parent's share
};

struct CgroupUsage {
  std::uint64_t memory_bytes = 0;  // 0 where no controller counts
  std::uint64_t memory_peak_bytes = 0;
  std::uint64_t pids = 0;
  std::uint64_t cpu_us = 0;
};

// Does not remove itself: call remove(), also for what an earlier process left.
class Cgroup {
 public:
  Cgroup() = default;  // no group
  // Makes the groups and sets the limits; on an error nothing is left. A limit without a
  // controller is `unsupported`. A group of that name left by a dead process is taken over.
  [[nodiscard]] static Result<Cgroup> create(CgroupHost const& host, std::string const& name,
                                             CgroupLimits const& limits);
  // Groups that an earlier process made, as folders() told it; for kill() and remove() only.
  [[nodiscard]] static Cgroup from_folders(std::vector<std::string> folders);
  // The groups of that name, present or not.
  [[nodiscard]] static Cgroup existing(CgroupHost const& host, std::string const& name);

  // For clone3(CLONE_INTO_CGROUP); invalid where there is no v2 hierarchy.
  [[nodiscard]] Result<Fd> open_tree_folder() const;
  // The files that a process of one thread writes "0" to in order to enter the v1 groups: `tasks`,
  // for which the kernel need not wait for all forks of the machine as it does for cgroup.procs
  // (milliseconds).
  [[nodiscard]] Result<std::vector<Fd>> open_entries() const;

  [[nodiscard]] bool can_freeze() const;
  // Returns when every process of the group stands still.
  [[nodiscard]] Status freeze(Millis timeout);
  [[nodiscard]] Status thaw(Millis timeout);
  // SIGKILL to every process of the group; a missing group is no error.
  [[nodiscard]] Status kill();
  // rmdir, waiting for dying processes; missing groups are no error.
  [[nodiscard]] Status remove(Millis timeout);

  // How often the kernel killed for want of memory in this group.
  [[nodiscard]] std::uint64_t oom_kills() const;
  [[nodiscard]] CgroupUsage usage() const;
  // The folders, for tests and diagnosis.
  [[nodiscard]] std::vector<std::string> folders() const;

 private:
  struct Member {
    std::string folder;
    CgroupVersion version = CgroupVersion::v2;
    CgroupDuty duty = CgroupDuty::tree;
  };
  [[nodiscard]] Member const* member(CgroupDuty duty) const;
  [[nodiscard]] Status apply(CgroupHost const& host, CgroupLimits const& limits);
  [[nodiscard]] Status set_frozen(Millis timeout, bool frozen);
  std::vector<Member> members_;
};

}  // namespace drover::os
