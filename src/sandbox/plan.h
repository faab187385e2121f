#pragma once
// Turns a SandboxSpec into the ChildPlan of one launch, and a ChildReport back into a sentence.
// A PreparedPlan owns every byte and descriptor that the child's plan points to. One owner.
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "os/fd.h"
#include "sandbox/child.h"
#include "sandbox/spec.h"
#include "sandbox/user_namespace.h"

namespace drover::sandbox {

// How the ids and mounts are had.
enum class Privilege : std::uint8_t {
  root,          // real root: session uids, idmapped mounts
  unprivileged,  // a user namespace of one id: the agent is this process's user
};

struct PlanContext {
  Privilege privilege = Privilege::unprivileged;
  int landlock_abi = 0;
  std::vector<sock_filter> const* filter = nullptr;
  UserNamespaces* namespaces = nullptr;
  bool pids_by_rlimit = false;  // no pids controller: RLIMIT_NPROC of the user namespace
};

class PreparedPlan {
 public:
  [[nodiscard]] static Result<PreparedPlan> make(SandboxSpec const& spec,
                                                 PlanContext const& context);

  // Points into this object: valid as long as it is not moved.
  [[nodiscard]] ChildPlan child(std::vector<int>& cgroup_fds, int report_fd, int gate_fd);
  [[nodiscard]] Error explain(ChildReport const& report) const;

 private:
  PreparedPlan() = default;
  char const* keep(std::string text);
  [[nodiscard]] Status add_system(SandboxSpec const& spec);
  [[nodiscard]] Status add_devices();
  [[nodiscard]] Status add_rootfs(SandboxSpec const& spec);
  void add_etc(SandboxSpec const& spec);
  void add_etc_file(SandboxSpec const& spec, std::string const& path, std::string content);
  void add_tmpfs(SandboxSpec const& spec);
  [[nodiscard]] Status add_mounts(SandboxSpec const& spec);
  [[nodiscard]] Status add_files(SandboxSpec const& spec);
  [[nodiscard]] Status add_bind(Mount const& mount, std::uint64_t attributes);
  [[nodiscard]] Result<int> owner_map(Mount const& mount, uid_t uid, gid_t gid);
  [[nodiscard]] Status add_streams(SandboxSpec const& spec);
  void add_covers();
  void add_rlimits(SandboxSpec const& spec);
  void add_rules(SecondWall wall);
  void add_entry(EntryKind kind, std::string const& path, std::string content = "");
  [[nodiscard]] Status add_mount_point(std::string const& target, bool folder);
  [[nodiscard]] bool covered_by_mount(std::string const& target) const;
  [[nodiscard]] bool covered_by_tmpfs(std::string const& target) const;

  struct Rule {
    std::string path;
    bool folder = true;
    MountMode mode = MountMode::ro;
  };

  PlanContext context_;
  uid_t session_uid_ = 0;
  std::deque<std::string> texts_;  // stable addresses
  std::vector<os::Fd> fds_;
  std::vector<std::shared_ptr<os::Fd const>> shared_fds_;
  std::vector<std::string> made_;           // entries so far
  std::vector<std::string> mount_targets_;  // absolute, inside
  std::vector<std::string> tmpfs_targets_;
  std::vector<Rule> writable_;
  std::vector<ChildBind> binds_;
  std::vector<ChildEntry> entries_;
  std::vector<ChildEntry> late_entries_;  // inside a tmpfs
  std::vector<ChildTmpfs> tmpfs_;
  std::vector<ChildCover> covers_;
  std::vector<ChildRlimit> rlimits_;
  std::vector<ChildMove> moves_;
  std::vector<ChildRule> rules_;
  std::vector<char*> argv_;
  std::vector<char*> env_;
  ChildPlan plan_;
};

// Descriptors of a plan lie above every number that the program may ask for.
inline constexpr int kPlanFdMin = kDescriptorNumberMax + 1;
[[nodiscard]] Result<os::Fd> raise_fd(int fd);

}  // namespace drover::sandbox
