#pragma once
// The part of a launch that runs in the child, between clone3 and execve of a multi-threaded
// server's copy. It may allocate nothing, lock nothing and throw nothing: everything it needs is in
// a ChildPlan that the parent prepared, and it makes system calls only.
// A failure goes to the parent through `report_fd` as a ChildReport.
#include <linux/filter.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace drover::sandbox {

enum class ChildStep : std::uint8_t {
  signals,
  map_user,
  enter_cgroup,
  private_mounts,
  open_source,
  own_source,
  new_root,
  make_entry,
  make_late_entry,
  mount_tmpfs,
  mount_proc,
  attach,
  cover,
  seal_root,
  change_root,
  hostname,
  loopback,
  limits,
  streams,
  user_namespace,
  become_agent,
  drop_capabilities,
  session,
  no_new_privileges,
  landlock,
  seccomp,
  working_directory,
  gate,
  execute,
};

struct ChildReport {
  ChildStep step = ChildStep::signals;
  std::int32_t index = -1;  // into the plan's list that the step works on
  std::int32_t error = 0;   // errno
};

// An entry of the empty root: paths are relative to it.
enum class EntryKind : std::uint8_t { folder, file, link };
struct ChildEntry {
  EntryKind kind = EntryKind::folder;
  char const* path = nullptr;
  char const* content = nullptr;  // of a file, or where a link points
  std::size_t size = 0;
  uid_t owner = 0;  // on the host; 0 leaves it as created
};

struct ChildBind {
  char const* source = nullptr;  // absolute on the host
  char const* target = nullptr;  // relative to the new root
  std::uint64_t attributes = 0;  // MOUNT_ATTR_*
  int idmap_fd = -1;             // user namespace for MOUNT_ATTR_IDMAP
  int mount_fd = -1;             // of the clone, kept between the passes
};

struct ChildTmpfs {
  char const* target = nullptr;
  char const* options = nullptr;
};

// Something of the new root mounted again over a path of it: hides or write-protects that path.
struct ChildCover {
  char const* source = nullptr;  // relative to the new root
  char const* target = nullptr;
  std::uint64_t attributes = 0;
  bool optional = false;  // this kernel may not have the path
};

struct ChildRlimit {
  int resource = 0;
  std::uint64_t value = 0;
};

struct ChildMove {
  int from = -1;  // above every number
  int number = -1;
};

struct ChildRule {
  char const* path = nullptr;  // absolute inside
  std::uint64_t access = 0;    // LANDLOCK_ACCESS_FS_*
};

template <class T>
struct ChildList {
  T* items = nullptr;
  std::size_t count = 0;
};

struct ChildPlan {
  int report_fd = -1;
  bool dies_with_parent = false;  // with its thread that called clone3
  int gate_fd = -1;  // execve waits for one byte; end of file means that the parent died

  // Exactly one of the two: a map for the namespace that clone3 made, or a namespace to enter.
  char const* uid_map = nullptr;
  char const* gid_map = nullptr;
  int user_namespace_fd = -1;
  uid_t agent = 1000;

  ChildList<int> cgroup_fds;
  char const* staging = nullptr;  // an existing folder of the host to build the root over
  char const* root_options = nullptr;
  ChildList<ChildBind> binds;
  ChildList<ChildEntry> entries;
  ChildList<ChildTmpfs> tmpfs;
  ChildList<ChildEntry> late_entries;  // inside a tmpfs
  ChildList<ChildCover> covers;
  char const* hostname = nullptr;
  std::size_t hostname_size = 0;
  ChildList<ChildRlimit> rlimits;
  ChildList<ChildMove> moves;
  std::uint64_t landlock_access = 0;  // 0 = this kernel has none
  std::uint64_t landlock_scopes = 0;
  std::size_t landlock_attribute_size = 0;
  ChildList<ChildRule> rules;
  sock_fprog filter{};
  char const* cwd = nullptr;
  char* const* argv = nullptr;
  char* const* env = nullptr;
};

// Never returns: becomes the program, or reports and exits with 127.
[[noreturn]] void run_child(ChildPlan& plan) noexcept;

}  // namespace drover::sandbox
