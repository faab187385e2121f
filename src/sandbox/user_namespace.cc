#include "sandbox/user_namespace.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace drover::sandbox {

namespace {

Status write_map(pid_t pid, std::string_view file, std::string const& content) {
  std::string const path = fmt::format("/proc/{}/{}", pid, file);
  os::Fd const fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("open", path);
  if (::write(fd.get(), content.data(), content.size()) < 0) return fail_errno("write", path);
  return {};
}

Result<os::Fd> map_and_open(pid_t pid, IdMap const& map) {
  DROVER_TRY(write_map(pid, "setgroups", "deny"));
  DROVER_TRY(write_map(pid, "uid_map", fmt::format("{} {} 1", map.inside_uid, map.outside_uid)));
  DROVER_TRY(write_map(pid, "gid_map", fmt::format("{} {} 1", map.inside_gid, map.outside_gid)));
  std::string const path = fmt::format("/proc/{}/ns/user", pid);
  os::Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("open", path);
  return fd;
}

}  // namespace

Result<os::Fd> make_user_namespace(IdMap const& map) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("create", "a pipe");
  os::Fd const read_end{ends[0]};
  os::Fd write_end{ends[1]};
  clone_args arguments{};
  arguments.flags = CLONE_NEWUSER;
  arguments.exit_signal = SIGCHLD;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  long const pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) {
    // Only holds the namespace until the parent has its descriptor, or has died.
    ::close(ends[1]);
    char byte = 0;
    ssize_t const ignored = ::read(ends[0], &byte, 1);
    (void)ignored;
    ::_exit(0);
  }
  int const clone_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return std::unexpected(system_error(clone_error, "create", "a user namespace"));
  auto fd = map_and_open(static_cast<pid_t>(pid), map);
  ::kill(static_cast<pid_t>(pid), SIGKILL);
  while (::waitpid(static_cast<pid_t>(pid), nullptr, 0) < 0 && errno == EINTR) {
  }
  return fd;
}

Result<std::shared_ptr<os::Fd const>> UserNamespaces::get(IdMap const& map) {
  {
    auto entries = entries_.lock();
    auto const found = std::ranges::find(*entries, map, &Entry::map);
    if (found != entries->end()) {
      entries->splice(entries->begin(), *entries, found);
      return found->fd;
    }
  }
  auto made = make_user_namespace(map);
  if (!made) return std::unexpected(made.error());
  auto shared = std::make_shared<os::Fd const>(std::move(*made));
  auto entries = entries_.lock();
  entries->push_front({map, shared});
  if (entries->size() > kKeptMax) entries->pop_back();
  return shared;
}

}  // namespace drover::sandbox
