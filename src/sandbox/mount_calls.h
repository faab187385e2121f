#pragma once
// The mount calls of a bind, for the child between clone3 and execve and for whoever prepares a
// source for somebody else's container. System calls only; errno says why one failed.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace drover::sandbox::mount_calls {

// No link anywhere: a workspace is hostile, and a link in it would lead to host files.
[[nodiscard]] inline int open_source(char const* path) noexcept {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
}

// A mount of what is open as `source`, attached nowhere yet.
[[nodiscard]] inline int clone(int source) noexcept {
  return static_cast<int>(
      ::syscall(SYS_open_tree, source, "",
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE));
}

// MOUNT_ATTR_*, and with `idmap` (a user namespace) the owners that files have through the mount.
[[nodiscard]] inline bool set_attributes(int mount, std::uint64_t attributes, int idmap) noexcept {
  struct mount_attr wanted{};
  wanted.attr_set = attributes;
  if (idmap >= 0) {
    wanted.attr_set |= MOUNT_ATTR_IDMAP;
    wanted.userns_fd = static_cast<std::uint64_t>(idmap);
  }
  if (wanted.attr_set == 0) return true;
  return ::syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &wanted,
                   sizeof wanted) == 0;
}

// What is mounted elsewhere appears in it no more, nor the other way round.
[[nodiscard]] inline bool make_private(int mount) noexcept {
  struct mount_attr wanted{};
  wanted.propagation = MS_PRIVATE;
  return ::syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &wanted,
                   sizeof wanted) == 0;
}

[[nodiscard]] inline bool move(int mount, int where) noexcept {
  return ::syscall(SYS_move_mount, mount, "", where, "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
}

}  // namespace drover::sandbox::mount_calls
