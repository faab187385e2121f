#include "runtime/container_mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/text.h"
#include "os/fd.h"
#include "os/files.h"
#include "os/process.h"
#include "sandbox/mount_calls.h"

namespace drover::runtime {

namespace {

namespace calls = sandbox::mount_calls;

struct Detached {
  os::Fd mount;
  bool folder = false;
  std::string target;
};

Result<Detached> detach(BoundSource const& bind) {
  os::Fd const source{calls::open_source(bind.source.c_str())};
  if (!source.valid()) return fail_errno("open the mount source", printable(bind.source));
  struct stat info{};
  if (::fstatat(source.get(), "", &info, AT_EMPTY_PATH) != 0)
    return fail_errno("look at", printable(bind.source));
  Detached made;
  made.folder = S_ISDIR(info.st_mode);
  made.target = bind.target;
  made.mount = os::Fd{calls::clone(source.get())};
  if (!made.mount.valid()) return fail_errno("clone the mount of", printable(bind.source));
  std::uint64_t const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                   (bind.mode == sandbox::MountMode::ro ? MOUNT_ATTR_RDONLY : 0);
  if (!calls::set_attributes(made.mount.get(), attributes, -1) ||
      !calls::make_private(made.mount.get()))
    return fail_errno("set the mode of the mount of", printable(bind.source));
  return made;
}

// What is missing of the way; what is there is not looked at.
Status make_point(Detached const& one) {
  auto const& path = one.target;
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    if (::mkdir(path.substr(0, at).c_str(), 0755) != 0 && errno != EEXIST && errno != EROFS)
      return fail_errno("create in the container", printable(path.substr(0, at)));
  if (one.folder) {
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST && errno != EROFS)
      return fail_errno("create in the container", printable(path));
    return {};
  }
  os::Fd const file{
      ::open(path.c_str(), O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0444)};
  if (!file.valid() && errno != EROFS && errno != EACCES && errno != ENXIO)
    return fail_errno("create in the container", printable(path));
  return {};
}

Status attach_all(int process, std::vector<Detached> const& mounts) {
  // A thread with a working folder of its own may go where its process is not.
  if (::unshare(CLONE_FS) != 0) return fail_errno("prepare to enter", "the container");
  if (::setns(process, CLONE_NEWNS) != 0) return fail_errno("enter", "the container");
  for (auto const& one : mounts) {
    DROVER_TRY(make_point(one));
    os::Fd const where{calls::open_source(one.target.c_str())};
    if (!where.valid()) return fail_errno("open in the container", printable(one.target));
    if (!calls::move(one.mount.get(), where.get()))
      return fail_errno("mount in the container", printable(one.target));
  }
  return {};
}

}  // namespace

Result<os::Fd> open_program(int pid, std::string const& container) {
  auto process = os::open_process(pid);
  if (!process) return process;
  auto const groups = os::read_file(fmt::format("/proc/{}/cgroup", pid));
  if (!groups) return std::unexpected(groups.error());
  if (groups->find(container) == std::string::npos)
    return fail_next(
        ErrorCode::not_found,
        fmt::format("process {} is not of the container {}", pid, container.substr(0, 12)),
        "use a container engine of this machine");
  return process;
}

Status mount_into(int process, std::vector<BoundSource> const& binds) {
  std::vector<Detached> mounts;
  for (auto const& bind : binds) {
    auto one = detach(bind);
    if (!one) return std::unexpected(one.error());
    mounts.push_back(*std::move(one));
  }
  // The thread ends with it: none of ours stays in a container's namespace.
  Status attached;
  std::thread{[&] { attached = attach_all(process, mounts); }}.join();
  return attached;
}

}  // namespace drover::runtime
