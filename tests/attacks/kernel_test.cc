// The kernel and other processes.
#include <fcntl.h>
#include <fmt/format.h>

#include <chrono>

#include "attacks/row.h"
#include "os/files.h"

namespace drover::attacks {
namespace {

class Kernel : public AttackTest {};
ATTACKS_ON_EVERY_TARGET(Kernel);

Attack attacker(std::vector<std::string> arguments) {
  Attack attack;
  attack.arguments = std::move(arguments);
  return attack;
}

TEST_P(Kernel, A14TheInitIsOutOfReach) {
  Row row{"A14", name(), "ptrace, memory, descriptors and death of pid 1"};
  auto const seen = target().run(attacker({"init"}));
  for (std::string const way : {"ptrace_attach", "process_vm_readv", "pidfd_getfd"})
    row.expect(way, seen.of(way), {"EPERM"});
  for (std::string const way : {"mem", "environ", "fd"})
    row.expect(way, seen.of(way), {"EACCES", "EPERM"});
  row.expect("it lives on", seen.of("still_there"), {"ok"});
  row.control("it can be named", seen.of("pidfd_open") == "ok", seen.output);
  auto const here = run_outside({"harmless-calls"});
  row.control("outside a child can be traced and read",
              here.of("ptrace") == "ok" && here.of("process_vm_readv") == "ok", here.output);
}

TEST_P(Kernel, A15DangerousCallsAreForbidden) {
  Row row{"A15", name(), "keyctl, bpf, io_uring, mount, unshare, setns, kexec, x32, i386"};
  auto const calls = target().run(attacker({"forbidden-calls"}));
  for (std::string const call :
       {"io_uring_setup", "userfaultfd", "keyctl", "add_key", "bpf", "perf_event_open", "mount",
        "umount", "fsopen", "pivot_root", "chroot", "kexec_load", "init_module",
        "open_by_handle_at", "fanotify_init", "syslog", "sethostname", "raise_core", "raise_files"})
    row.expect(call, calls.of(call), {"EPERM"});
  row.expect("setuid(0)", calls.of("setuid_root"), {"EINVAL", "EPERM"});
  row.expect("setgroups", calls.of("setgroups"), {"EPERM"});
  auto const more = target().run(attacker({"harmless-calls"}));
  for (std::string const call : {"unshare", "clone_newuser", "setns", "process_vm_readv",
                                 "pidfd_getfd", "ptrace", "open_tree", "statmount"})
    row.expect(call, more.of(call), {"EPERM"});
  row.expect("clone3", more.of("clone3"), {"ENOSYS"});
  row.expect("a call of the future", more.of("unknown_call"), {"ENOSYS"});
  row.expect("i386", more.of("i386"), {"SIGSYS", "signal"});
  row.expect("x32", more.of("x32"), {"SIGSYS", "ENOSYS"});
  auto const here = run_outside({"harmless-calls"});
  row.control("outside they work",
              here.of("unshare") == "ok" && here.of("clone3") == "ok" && here.of("ptrace") == "ok",
              here.output);
}

// Opened and never written: a write would change the host.
TEST_P(Kernel, A16TheKernelsSettingsAreReadOnlyOrAbsent) {
  Row row{"A16", name(), "core_pattern, sysrq, /sys, cgroups: opened for writing"};
  std::vector<std::string> const paths = {
      "/proc/sys/kernel/core_pattern",  "/proc/sys/kernel/hostname",
      "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger",
      "/sys/kernel/uevent_helper",      "/sys/fs/cgroup/cgroup.procs",
      "/proc/irq/default_smp_affinity"};
  Attack attack = attacker({"write"});
  attack.arguments.insert(attack.arguments.end(), paths.begin(), paths.end());
  attack.arguments.emplace_back("/proc/self/comm");
  auto const seen = target().run(attack);
  for (auto const& path : paths)
    row.expect(path, seen.of(path), {"EROFS", "EACCES", "ENOENT", "EPERM"});
  auto const kernel = target().run(attacker({"read", "/proc/kcore", "/proc/kmsg", "/proc/keys"}));
  row.expect("/proc/kcore", kernel.of("/proc/kcore"), {"EACCES", "ENOENT", "EPERM", "ok"});
  Attack empty;
  empty.script = "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c";
  row.holds("kernel memory and keys are empty", target().run(empty).output == "0\n");
  row.control("its own file of /proc opens", seen.of("/proc/self/comm") == "ok", seen.output);
}

TEST_P(Kernel, A19NoDeviceAndNoTerminal) {
  Row row{"A19", name(), "/dev/kvm, fuse, mem, tty; TIOCSTI, TIOCLINUX"};
  std::vector<std::string> const paths = {"/dev/kvm",     "/dev/fuse", "/dev/mem", "/dev/kmsg",
                                          "/dev/net/tun", "/dev/sda",  "/dev/vda", "/dev/tty1"};
  Attack attack = attacker({"read"});
  attack.arguments.insert(attack.arguments.end(), paths.begin(), paths.end());
  for (std::string const more : {"/dev/tty", "/dev/null", "/dev/urandom"})
    attack.arguments.push_back(more);
  auto const seen = target().run(attack);
  for (auto const& path : paths)
    row.expect(path, seen.of(path), {"ENOENT"});
  row.expect("/dev/tty", seen.of("/dev/tty"), {"ENOENT", "ENXIO"});
  auto const calls = target().run(attacker({"harmless-calls"}));
  for (std::string const call : {"tiocsti", "tiocsti_high_bits", "tioclinux"})
    row.expect(call, calls.of(call), {"EPERM"});
  row.control("null and urandom open",
              seen.of("/dev/null") == "ok" && seen.of("/dev/urandom") == "ok", seen.output);
  row.control("outside the kernel takes the call",
              run_outside({"harmless-calls"}).of("tiocsti") == "ENOTTY");
}

TEST_P(Kernel, A20NoDescendantOutlivesTheKill) {
  Row row{"A20", name(), "double fork, own sessions, every signal ignored"};
  auto running = target().start(attacker({"hide"}));
  running->await("hidden ok");
  // Each forks once more behind that line.
  auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  std::size_t before = running->processes().size();
  while (before < 11 && std::chrono::steady_clock::now() < deadline)
    before = running->processes().size();
  row.control("eleven processes run", before == 11, fmt::format("{}", before));
  auto const begin = std::chrono::steady_clock::now();
  running->kill();
  auto const took = std::chrono::steady_clock::now() - begin;
  auto const left = running->processes();
  row.holds("none is left", left.empty(), fmt::format("{}", fmt::join(left, " ")));
  row.holds("within a second", took < std::chrono::seconds{1});
}

}  // namespace
}  // namespace drover::attacks
