// What a hostile program tries from inside. Each attack that works outside runs there too, so that
// a broken harness cannot pass.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>

#include "sandbox/testing.h"

namespace drover::sandbox {
namespace {

using Lines = std::map<std::string, std::string>;

Lines inside(std::vector<std::string> arguments) {
  return lines_of(run(attacker_spec(std::move(arguments))).output);
}

Lines outside(std::string const& arguments) {
  FILE* const pipe =
      ::popen((std::string{DROVER_ATTACKER} + " " + arguments + " </dev/null").c_str(), "r");
  EXPECT_NE(nullptr, pipe);
  std::string output;
  char buffer[4096];
  while (auto const got = std::fread(buffer, 1, sizeof buffer, pipe))
    output.append(buffer, got);
  ::pclose(pipe);
  return lines_of(output);
}

TEST(Attack, ForbiddenSystemCalls) {
  auto const here = outside("calls");
  auto const there = inside({"calls"});
  for (std::string const name :
       {"io_uring_setup", "userfaultfd", "keyctl", "bpf", "perf_event_open", "mount", "unshare",
        "clone_newuser", "setns", "kexec_load", "process_vm_readv", "pidfd_getfd", "ptrace",
        "open_tree", "statmount", "tiocsti", "tiocsti_high_bits", "realtime", "raise_core"})
    EXPECT_EQ("EPERM", there.at(name)) << name;
  EXPECT_TRUE(there.at("mknod_device") == "EPERM" || there.at("mknod_device") == "EACCES");
  EXPECT_EQ("EINVAL", there.at("setuid_root"));  // no such id in the namespace
  EXPECT_EQ("ENOSYS", there.at("clone3"));
  EXPECT_EQ("ENOSYS", there.at("unknown_call"));
  EXPECT_EQ("SIGSYS", there.at("i386"));
  EXPECT_EQ("SIGSYS", there.at("x32"));
  // Control: these are not forbidden to anybody outside.
  for (std::string const name :
       {"unshare", "clone_newuser", "clone3", "process_vm_readv", "ptrace"})
    EXPECT_EQ("ok", here.at(name)) << name;
  EXPECT_EQ("EBADF", here.at("pidfd_getfd"));
  EXPECT_EQ("ENOTTY", here.at("tiocsti"));
}

// A listening socket of the host, at an abstract name and at a loopback port.
struct Listeners {
  os::Fd abstract{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  os::Fd tcp{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string name = "drover-test-" + std::to_string(::getpid());
  unsigned port = 0;
  Listeners() {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    std::copy(name.begin(), name.end(), local.sun_path + 1);
    auto const size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    EXPECT_EQ(0, ::bind(abstract.get(), reinterpret_cast<sockaddr*>(&local), size));
    EXPECT_EQ(0, ::listen(abstract.get(), 8));
    sockaddr_in loopback{};
    loopback.sin_family = AF_INET;
    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, ::bind(tcp.get(), reinterpret_cast<sockaddr*>(&loopback), sizeof loopback));
    EXPECT_EQ(0, ::listen(tcp.get(), 8));
    socklen_t length = sizeof loopback;
    EXPECT_EQ(0, ::getsockname(tcp.get(), reinterpret_cast<sockaddr*>(&loopback), &length));
    port = ntohs(loopback.sin_port);
  }
};

TEST(Attack, TheNetworkAndTheHostsSockets) {
  Listeners const listeners;
  auto const port = std::to_string(listeners.port);
  auto const there = inside({"sockets", listeners.name, port});
  for (std::string const name : {"netlink", "packet", "vsock", "alg"})
    EXPECT_EQ("EAFNOSUPPORT", there.at(name)) << name;
  EXPECT_EQ("EPERM", there.at("raw_ip"));
  EXPECT_EQ("ok", there.at("unix"));
  EXPECT_EQ("ok", there.at("inet"));
  EXPECT_EQ("ENETUNREACH", there.at("internet"));
  EXPECT_EQ("ENETUNREACH", there.at("metadata"));
  EXPECT_EQ("EINPROGRESS", there.at("host_loopback"));  // its own loopback, where nobody listens
  EXPECT_EQ("ECONNREFUSED", there.at("abstract"));
  auto const here = outside("sockets " + listeners.name + " " + port);
  EXPECT_EQ("ok", here.at("netlink"));
  EXPECT_EQ("ok", here.at("abstract"));
  // The connection that the outside made arrived; the inside's never did.
  int accepted = 0;
  pollfd entry{.fd = listeners.tcp.get(), .events = POLLIN, .revents = 0};
  while (::poll(&entry, 1, 200) > 0) {
    os::Fd const peer{::accept(listeners.tcp.get(), nullptr, nullptr)};
    ++accepted;
  }
  EXPECT_EQ(1, accepted);
}

// The one way out: a private socket of the server in a read-only folder mount.
TEST(Attack, TheMountedSocketOfTheServerCanBeReachedAndNotReplaced) {
  TemporaryFolder folder;
  os::Fd const listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  std::string const path = folder / "unit.sock";
  std::copy(path.begin(), path.end(), local.sun_path);
  ASSERT_EQ(0, ::bind(listener.get(), reinterpret_cast<sockaddr*>(&local), sizeof local));
  ASSERT_EQ(0, ::chmod(path.c_str(), 0600));
  ASSERT_EQ(0, ::chmod(folder.path().c_str(), 0700));
  ASSERT_EQ(0, ::listen(listener.get(), 8));
  auto spec = attacker_spec({"socket-path", "/run/drover/unit.sock"});
  spec.mounts.push_back({folder.path(), "/run/drover", MountMode::ro, Ownership::owner_is_agent});
  EXPECT_EQ("connect ok\n", run(spec).output);
  auto script = script_spec(
      "rm -f /run/drover/unit.sock; mv /run/drover/unit.sock /run/drover/y; ls /run/drover");
  script.mounts = spec.mounts;
  EXPECT_TRUE(run(std::move(script)).output.ends_with("\nunit.sock\n"));
}

TEST(Attack, TheHostsFilesAreAbsent) {
  auto const there = inside({"files"});
  for (std::string const path :
       {"/root", "/etc/shadow", "/home/user", "/sys", "/dev/kvm", "/dev/mem", "/dev/fuse",
        "/dev/tty", "/var/run/docker.sock", "/run/docker.sock", "/run/dbus", "/var/lib"})
    EXPECT_EQ("ENOENT", there.at(path)) << path;
  for (std::string const path : {"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
                                 "/proc/sys/kernel/hostname", "/etc/passwd", "/proc/kcore"})
    EXPECT_TRUE(there.at(path) == "EACCES" || there.at(path) == "EROFS" ||
                there.at(path) == "ENOENT" || there.at(path) == "EPERM")
        << path << " " << there.at(path);
  EXPECT_EQ("ENOENT", there.at("/usr/planted"));
  // Controls: what should work does.
  for (std::string const path : {"/dev/null", "/dev/urandom", "/tmp/x"})
    EXPECT_EQ("ok", there.at(path)) << path;
  auto const here = outside("files");
  for (std::string const path : {"/sys", "/var/lib"})
    EXPECT_EQ("ok", here.at(path)) << path;
}

TEST(Attack, AnotherWorkspaceIsAbsent) {
  TemporaryFolder mine;
  TemporaryFolder other;
  ASSERT_TRUE(os::write_file_atomic(other / "secret", "s3cret"));
  auto spec = script_spec("cat " + (other / "secret") +
                          "; ls /tmp /workspace/../../tmp; "
                          "ln -s " +
                          other.path() + " /workspace/link; cat /workspace/link/secret");
  spec.mounts = {{mine.path(), "/workspace", MountMode::rw, Ownership::owner_is_agent}};
  auto const output = run(std::move(spec)).output;
  EXPECT_EQ(std::string::npos, output.find("s3cret")) << output;
  EXPECT_NE(std::string::npos, output.find("No such file")) << output;
}

TEST(Attack, OnlyItsOwnProcessesAreVisible) {
  // The shell, and the programs it starts: all pids are small.
  auto const output = run(script_spec("ls /proc | grep '^[0-9]' | sort -n | tail -1")).output;
  EXPECT_LT(std::atoi(output.c_str()), 20) << output;
}

TEST(Attack, CapabilitiesAreGoneForGood) {
  auto const output =
      run(script_spec("grep -e Cap -e NoNewPrivs -e '^Seccomp:' /proc/self/status")).output;
  auto const lines = lines_of(output);
  for (std::string const set : {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"})
    EXPECT_EQ("0000000000000000", lines.at(set)) << set;
  EXPECT_EQ("1", lines.at("NoNewPrivs:"));
  EXPECT_EQ("2", lines.at("Seccomp:"));
}

TEST(Attack, ASetuidProgramGivesNothing) {
  TemporaryFolder folder;
  auto spec = script_spec(
      "cp /usr/bin/id /workspace/id && chmod 755 /workspace/id && "
      "! chmod 4755 /workspace/id 2>/dev/null && ! chmod g+s /workspace/id 2>/dev/null && "
      "stat -c %a /workspace/id; /usr/bin/passwd -S root 2>/dev/null; id -u");
  spec.mounts = {{folder.path(), "/workspace", MountMode::rw, Ownership::owner_is_agent}};
  EXPECT_EQ("755\n1000\n", run(std::move(spec)).output);
}

TEST(Attack, EveryMountIsNosuidAndNoneButTheDevicesAllowsDevices) {
  auto const output = run(script_spec("cat /proc/self/mountinfo")).output;
  std::istringstream lines{output};
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) {
    ++count;
    EXPECT_NE(std::string::npos, line.find("nosuid")) << line;
    if (line.find(" /dev/null ") != std::string::npos ||
        line.find(" /dev/zero ") != std::string::npos ||
        line.find(" /dev/full ") != std::string::npos || line.find("random ") != std::string::npos)
      continue;
    EXPECT_NE(std::string::npos, line.find("nodev")) << line;
  }
  EXPECT_GT(count, 10);
  // The host's root and its paths are not part of the tree.
  EXPECT_EQ(std::string::npos, output.find("cgroup")) << output;
}

TEST(Attack, TheInitOfASandboxKeepsNothingOfTheServer) {
  // The child is a copy of the server until execve: neither its maps nor its descriptors may stay.
  auto const output = run(script_spec("cat /proc/1/maps; ls -l /proc/1/fd")).output;
  EXPECT_EQ(std::string::npos, output.find("sandbox_test")) << output;
}

TEST(Attack, TheOwnLoopbackWorks) {
  auto const output =
      run(script_spec("cat /proc/net/dev | grep -c :; cat /proc/net/fib_trie | grep -c 127.0.0.1"))
          .output;
  auto const lines = lines_of(output);
  EXPECT_TRUE(output.starts_with("1\n")) << output;  // lo and nothing else
  EXPECT_FALSE(output.ends_with("0\n")) << output;
}

}  // namespace
}  // namespace drover::sandbox
