// System calls that reach for the kernel, for other processes, or for more privilege.
#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>

#include "sandbox/attacker/attacks.h"
#include "sandbox/attacker/say.h"

namespace drover::attacker {

namespace {

int clone3_plain() {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  long const pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) ::_exit(0);
  int const error = result(pid);
  if (pid > 0) ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return error;
}

int seize_child() {
  pid_t const pid = ::fork();
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  int const error = result(::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  return error;
}

int read_memory_of(pid_t pid) {
  char from[4] = "abc";
  char to[4] = "";
  iovec const local{to, 4};
  iovec const remote{from, 4};
  return result(::process_vm_readv(pid, &local, 1, &remote, 1, 0));
}

int realtime() {
  sched_param const parameter{.sched_priority = 1};
  return result(::sched_setscheduler(0, SCHED_FIFO, &parameter));
}

int raise_limit(__rlimit_resource resource) {
  return in_child([resource] {
    rlimit const wish{RLIM_INFINITY, RLIM_INFINITY};
    return result(::setrlimit(resource, &wish));
  });
}

#if defined(__x86_64__)
int i386_getpid() {
  return in_child([] {
    long answer = 20;  // getpid of the i386 table
    asm volatile("int $0x80" : "+a"(answer) : : "memory", "cc", "r8", "r9", "r10", "r11");
    return answer > 0 ? 0 : ENOSYS;
  });
}
int x32_getpid() {
  return in_child([] { return result(::syscall(0x40000000 | SYS_getpid)); });
}
#else
int i386_getpid() {
  return kKilledBySeccomp;
}
int x32_getpid() {
  return kKilledBySeccomp;
}
#endif

}  // namespace

int forbidden_calls(Arguments const& /*none*/) {
  if (::getpid() != 1) return 2;
  char buffer[256] = {};
  say("io_uring_setup", result(::syscall(SYS_io_uring_setup, 1, buffer)));
  say("userfaultfd", result(::syscall(SYS_userfaultfd, 1 /* user mode only */)));
  say("keyctl", result(::syscall(SYS_keyctl, 0, -3 /* session keyring */, 0)));
  say("add_key", result(::syscall(SYS_add_key, "user", "x", "y", 1, -3)));
  say("bpf", result(::syscall(SYS_bpf, 0, nullptr, 0)));
  say("perf_event_open", result(::syscall(SYS_perf_event_open, buffer, 0, -1, -1, 0)));
  // A target that does not exist: even an allowed mount changes nothing.
  say("mount", result(::mount("x", "/nonexistent/drover", "tmpfs", 0, "size=4k")));
  say("umount", result(::umount2("/usr", MNT_DETACH)));
  say("fsopen", result(::syscall(SYS_fsopen, "tmpfs", 0)));
  say("pivot_root", result(::syscall(SYS_pivot_root, ".", ".")));
  say("chroot", result(::chroot("/tmp")));
  say("kexec_load", result(::syscall(SYS_kexec_load, 0, 0, nullptr, ~0UL)));
  say("init_module", result(::syscall(SYS_init_module, buffer, 0, "")));
  say("open_by_handle_at", result(::syscall(SYS_open_by_handle_at, AT_FDCWD, buffer, O_RDONLY)));
  say("fanotify_init", result(::syscall(SYS_fanotify_init, 0, 0)));
  say("syslog", result(::syscall(SYS_syslog, 3, buffer, 10)));
  say("sethostname", result(::sethostname("x", 1)));
  say("setuid_root", in_child([] { return result(::setuid(0)); }));
  say("setgroups", in_child([] { return result(::syscall(SYS_setgroups, 0, nullptr)); }));
  say("realtime", realtime());
  say("nice", in_child([] { return result(::setpriority(PRIO_PROCESS, 0, -5)); }));
  say("raise_core", raise_limit(RLIMIT_CORE));
  say("raise_files", raise_limit(RLIMIT_FSIZE));
  return 0;
}

int harmless_calls(Arguments const& /*none*/) {
  say("unshare", in_child([] { return result(::unshare(CLONE_NEWUSER)); }));
  say("clone_newuser", in_child([] {
        long const pid = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) ::_exit(0);
        return result(pid);
      }));
  say("clone3", clone3_plain());
  say("setns", in_child([] {
        int const fd = ::open("/proc/self/ns/uts", O_RDONLY);
        return result(::setns(fd, 0));
      }));
  say("process_vm_readv", read_memory_of(::getpid()));
  say("pidfd_getfd", result(::syscall(SYS_pidfd_getfd, -1, 0, 0)));
  say("ptrace", seize_child());
  say("open_tree", result(::syscall(SYS_open_tree, AT_FDCWD, "/", 0)));
  say("statmount", result(::syscall(457, nullptr, nullptr, 0, 0)));
  say("unknown_call", result(::syscall(900)));
  say("i386", i386_getpid());
  say("x32", x32_getpid());
  say("tiocsti", result(::ioctl(0, TIOCSTI, "x")));
  say("tiocsti_high_bits", result(::syscall(SYS_ioctl, 0, 0x100005412UL, "x")));
  say("tioclinux", result(::ioctl(0, TIOCLINUX, "x")));
  return 0;
}

// As drover-unit does first, this init makes itself undumpable; a child, as a tool would, attacks.
int attack_init(Arguments const& /*none*/) {
  if (::getpid() != 1) return 2;
  ::prctl(PR_SET_DUMPABLE, 0);
  return in_child([] {
    say("ptrace_attach", result(::ptrace(PTRACE_ATTACH, 1, nullptr, nullptr)));
    say("process_vm_readv", read_memory_of(1));
    say("mem", result(::open("/proc/1/mem", O_RDWR | O_CLOEXEC)));
    say("environ", result(::open("/proc/1/environ", O_RDONLY | O_CLOEXEC)));
    say("fd", result(::open("/proc/1/fd/0", O_RDONLY | O_CLOEXEC)));
    long const pidfd = ::syscall(SYS_pidfd_open, 1, 0);
    say("pidfd_open", result(pidfd));
    say("pidfd_getfd", result(::syscall(SYS_pidfd_getfd, pidfd, 0, 0)));
    // The kernel lets no process of a namespace kill its init.
    ::kill(1, SIGKILL);
    say("still_there", result(::kill(1, 0)));
    return 0;
  });
}

int ids(Arguments const& /*none*/) {
  say_number("uid", ::getuid());
  say_number("euid", ::geteuid());
  say_number("egid", ::getegid());
  return 0;
}

int descriptors(Arguments const& /*none*/) {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 1;
  while (dirent const* const entry = ::readdir(folder))
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(folder))
      say(std::string{"fd-"} + entry->d_name, 0);
  ::closedir(folder);
  return 0;
}

int hide(Arguments const& /*none*/) {
  for (int number = 1; number < 65; ++number)
    ::signal(number, SIG_IGN);
  for (int i = 0; i < 5; ++i) {
    if (::fork() != 0) continue;
    ::setsid();
    if (::fork() == 0) ::setsid();
    for (;;)
      ::pause();
  }
  say("hidden", 0);
  for (;;)
    ::pause();
}

}  // namespace drover::attacker
