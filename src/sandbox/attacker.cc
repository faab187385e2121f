// Tries what a hostile program in a sandbox would try, and prints one line "<name> <ok or the name
// of errno>" for each. The tests run it inside; outside, as the positive control, they run only
// what changes nothing where it succeeds, also for root: `calls` and `files` beyond that need pid
// 1, which nothing but a sandbox gives.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

int result(long value) {
  return value < 0 ? errno : 0;
}

int socket_of(int family, int type, int protocol = 0) {
  int const fd = ::socket(family, type, protocol);
  int const error = result(fd);
  if (fd >= 0) ::close(fd);
  return error;
}

int open_of(char const* path, int flags) {
  int const fd = ::open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  int const error = result(fd);
  if (fd >= 0) ::close(fd);
  return error;
}

// In a child, so that what succeeds changes nothing here; 200 means killed by SIGSYS.
template <class Action>
int in_child(Action action) {
  pid_t const pid = ::fork();
  if (pid == 0) ::_exit(action());
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGSYS ? 200 : 201;
  return WEXITSTATUS(status);
}

int clone3_plain() {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  long const pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) ::_exit(0);
  int const error = result(pid);
  if (pid > 0) ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return error;
}

int ptrace_child() {
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

int read_own_memory() {
  char from[4] = "abc";
  char to[4] = "";
  iovec const local{to, 4};
  iovec const remote{from, 4};
  return result(::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0));
}

int realtime() {
  sched_param const parameter{.sched_priority = 1};
  return result(::sched_setscheduler(0, SCHED_FIFO, &parameter));
}

int connect_to(char const* address, unsigned short port) {
  int const fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  struct {
    unsigned short family;
    unsigned short port;
    unsigned char ip[4];
    char zero[8];
  } to{AF_INET, static_cast<unsigned short>((port >> 8) | (port << 8)), {}, {}};
  unsigned a = 0, b = 0, c = 0, d = 0;
  std::sscanf(address, "%u.%u.%u.%u", &a, &b, &c, &d);
  to.ip[0] = static_cast<unsigned char>(a);
  to.ip[1] = static_cast<unsigned char>(b);
  to.ip[2] = static_cast<unsigned char>(c);
  to.ip[3] = static_cast<unsigned char>(d);
  int const error = result(::connect(fd, reinterpret_cast<sockaddr*>(&to), 16));
  ::close(fd);
  return error;
}

int path_socket(char const* path) {
  int const fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::strncpy(to.sun_path, path, sizeof to.sun_path - 1);
  int const error = result(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to));
  ::close(fd);
  return error;
}

int abstract_socket(char const* name) {
  int const fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::strncpy(to.sun_path + 1, name, sizeof to.sun_path - 2);
  auto const size = offsetof(sockaddr_un, sun_path) + 1 + std::strlen(name);
  int const error =
      result(::connect(fd, reinterpret_cast<sockaddr*>(&to), static_cast<socklen_t>(size)));
  ::close(fd);
  return error;
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
  return 200;
}
int x32_getpid() {
  return 200;
}
#endif

void print(char const* name, int error) {
  char const* const text = error == 0     ? "ok"
                           : error == 200 ? "SIGSYS"
                           : error == 201 ? "signal"
                                          : strerrorname_np(error);
  std::printf("%s %s\n", name, text == nullptr ? "?" : text);
  std::fflush(stdout);
}

void system_calls() {
  char buffer[256] = {};
  print("io_uring_setup", result(::syscall(SYS_io_uring_setup, 1, buffer)));
  print("userfaultfd", result(::syscall(SYS_userfaultfd, 1 /* user mode only */)));
  print("keyctl", result(::syscall(SYS_keyctl, 0, -3 /* session keyring */, 0)));
  print("bpf", result(::syscall(SYS_bpf, 0, nullptr, 0)));
  print("perf_event_open", result(::syscall(SYS_perf_event_open, buffer, 0, -1, -1, 0)));
  // A target that does not exist: even an allowed mount changes nothing.
  print("mount", result(::mount("x", "/nonexistent/drover", "tmpfs", 0, "size=4k")));
  print("kexec_load", result(::syscall(SYS_kexec_load, 0, 0, nullptr, ~0UL)));
  print("realtime", realtime());
  print("setuid_root", in_child([] { return result(::setuid(0)); }));
  print("mknod_device", result(::mknod("/tmp/device", S_IFCHR | 0600, 0x103)));
  ::unlink("/tmp/device");
  print("raise_core", in_child([] {
          rlimit const wish{RLIM_INFINITY, RLIM_INFINITY};
          return result(::setrlimit(RLIMIT_CORE, &wish));
        }));
}

// Harmless for root of the host too.
void harmless_calls() {
  print("unshare", in_child([] { return result(::unshare(CLONE_NEWUSER)); }));
  print("clone_newuser", in_child([] {
          long const pid = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
          if (pid == 0) ::_exit(0);
          return result(pid);
        }));
  print("clone3", clone3_plain());
  print("setns", in_child([] {
          int const fd = ::open("/proc/self/ns/uts", O_RDONLY);
          return result(::setns(fd, 0));
        }));
  print("process_vm_readv", read_own_memory());
  print("pidfd_getfd", result(::syscall(SYS_pidfd_getfd, -1, 0, 0)));
  print("ptrace", ptrace_child());
  print("open_tree", result(::syscall(SYS_open_tree, AT_FDCWD, "/", 0)));
  print("statmount", result(::syscall(457, nullptr, nullptr, 0, 0)));
  print("unknown_call", result(::syscall(900)));
  print("i386", i386_getpid());
  print("x32", x32_getpid());
  print("tiocsti", result(::ioctl(0, TIOCSTI, "x")));
  print("tiocsti_high_bits", result(::syscall(SYS_ioctl, 0, 0x100005412UL, "x")));
}

void sockets(char const* abstract_name, unsigned short host_port) {
  print("netlink", socket_of(AF_NETLINK, SOCK_RAW));
  print("packet", socket_of(AF_PACKET, SOCK_RAW));
  print("vsock", socket_of(40, SOCK_STREAM));
  print("alg", socket_of(38, SOCK_SEQPACKET));
  print("raw_ip", socket_of(AF_INET, SOCK_RAW, 1 /* ICMP */));
  print("unix", socket_of(AF_UNIX, SOCK_STREAM));
  print("inet", socket_of(AF_INET, SOCK_STREAM));
  if (::getpid() == 1) {
    print("internet", connect_to("8.8.8.8", 53));
    print("metadata", connect_to("169.254.169.254", 80));
  }
  print("host_loopback", connect_to("127.0.0.1", host_port));
  print("abstract", abstract_socket(abstract_name));
}

void files() {
  for (char const* const path :
       {"/root", "/etc/shadow", "/home/user", "/sys", "/dev/kvm", "/dev/mem", "/dev/fuse",
        "/dev/tty", "/var/run/docker.sock", "/run/docker.sock", "/run/dbus", "/var/lib"})
    print(path, open_of(path, O_RDONLY));
  if (::getpid() != 1) return;
  // Open only: a write would change the host.
  for (char const* const path : {"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
                                 "/proc/sys/kernel/hostname", "/usr/planted", "/etc/passwd"})
    print(path, open_of(path, O_WRONLY));
  print("/proc/kcore", open_of("/proc/kcore", O_RDONLY));
  print("/proc/1/root", open_of("/proc/1/root/etc/passwd", O_RDONLY));
  print("/dev/null", open_of("/dev/null", O_WRONLY | O_CREAT | O_TRUNC));
  print("/dev/urandom", open_of("/dev/urandom", O_RDONLY));
  print("/tmp/x", open_of("/tmp/x", O_WRONLY | O_CREAT));
}

// Touches `count` MiB; the memory controller ends it.
int eat_memory(int count) {
  for (int i = 0; i < count; ++i) {
    auto* const block = static_cast<char*>(std::malloc(std::size_t{1} << 20U));
    if (block == nullptr) return ENOMEM;
    for (int page = 0; page < 256; ++page)
      const_cast<char volatile*>(block)[page * 4096] = 1;
  }
  return 0;
}

// How many children could be started, at most `count`.
int fork_many(int count) {
  int started = 0;
  int error = 0;
  std::vector<pid_t> children;
  while (started < count && error == 0) {
    pid_t const pid = ::fork();
    if (pid == 0) {
      ::pause();
      ::_exit(0);
    }
    if (pid < 0) {
      error = errno;
    } else {
      ++started;
      children.push_back(pid);
    }
  }
  std::printf("%d ", started);
  print("started", error);
  for (pid_t const pid : children)
    ::kill(pid, SIGKILL);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  std::string const what = count > 1 ? arguments[1] : "";
  if (what == "calls") {
    if (::getpid() == 1) system_calls();
    harmless_calls();
  } else if (what == "sockets" && count == 4)
    sockets(arguments[2], static_cast<unsigned short>(std::atoi(arguments[3])));
  else if (what == "socket-path" && count == 3)
    print("connect", path_socket(arguments[2]));
  else if (what == "files")
    files();
  else if (what == "memory" && count == 3)
    return eat_memory(std::atoi(arguments[2]));
  else if (what == "forks" && count == 3)
    return fork_many(std::atoi(arguments[2]));
  else if (what == "nothing")
    return 0;
  else
    return 2;
  return 0;
}
