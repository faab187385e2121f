#include "sandbox/seccomp_filter.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <memory>

#include "os/fd.h"
#include "sandbox/denied_calls.h"

namespace drover::sandbox {

namespace {

// Newer than libseccomp 2.5.4; the same number on every architecture since 5.1.
constexpr int kDeniedNumbers[] = {
    457,  // statmount
    458,  // listmount
    467,  // open_tree_attr
};
// The last call that was considered here (file_setattr of Linux 6.17).
constexpr std::uint32_t kNewestCall = 469;

constexpr int kFchmodat2 = 452;  // newer than libseccomp 2.5.4, too

constexpr std::uint64_t kLow32 = 0xffffffff;  // the kernel reads ioctl commands and families as int

struct ReleaseFilter {
  void operator()(void* context) const { seccomp_release(context); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

// libseccomp returns a negated errno.
void note(int& failed, int result) {
  if (result < 0 && failed == 0) failed = -result;
}

void deny_named(scmp_filter_ctx filter, int& failed) {
  for (auto const* name : kDenied) {
    int const number = seccomp_syscall_resolve_name(name);
    if (number < 0) continue;
    note(failed, seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0));
  }
  for (int const number : kDeniedNumbers)
    note(failed, seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0));
}

void deny_namespaces(scmp_filter_ctx filter, int& failed) {
  note(failed, seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0));
  for (std::uint64_t const flag : kNamespaceFlags)
    note(failed, seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                  scmp_arg_cmp{0, SCMP_CMP_MASKED_EQ, flag, flag}));
}

void deny_terminal_injection(scmp_filter_ctx filter, int& failed) {
  for (std::uint64_t const command : kTerminalInjection)
    note(failed, seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                                  scmp_arg_cmp{1, SCMP_CMP_MASKED_EQ, kLow32, command}));
}

void deny_socket_families(scmp_filter_ctx filter, int& failed) {
  auto const deny = [&](int call, scmp_arg_cmp comparison) {
    note(failed, seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1, comparison));
  };
  for (int const call : {SCMP_SYS(socket), SCMP_SYS(socketpair)}) {
    for (std::uint64_t family = 0; family < AF_INET6; ++family)
      if (family != AF_UNIX && family != AF_INET) deny(call, {0, SCMP_CMP_EQ, family, 0});
    // Also everything with bits above the 32 that the kernel looks at.
    deny(call, {0, SCMP_CMP_GT, AF_INET6, 0});
  }
}

// What is made in a workspace belongs on disk to its owner, who may be root: a setuid file of the
// agent's would be a program of root's for everybody on the host. No mount option forbids the bit.
void deny_setuid_bits(scmp_filter_ctx filter, int& failed) {
  struct Call {
    int number;
    unsigned mode_argument;
  };
  std::uint64_t const kBits[] = {S_ISUID, S_ISGID};
  auto const deny = [&](int number, std::initializer_list<scmp_arg_cmp> when) {
    note(failed, seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), number,
                                        static_cast<unsigned>(when.size()), when.begin()));
  };
  for (auto const [number, mode] :
       {Call{SCMP_SYS(chmod), 1}, Call{SCMP_SYS(fchmod), 1}, Call{SCMP_SYS(fchmodat), 2},
        Call{kFchmodat2, 2}, Call{SCMP_SYS(creat), 1}, Call{SCMP_SYS(mknod), 1},
        Call{SCMP_SYS(mknodat), 2}})
    for (std::uint64_t const bit : kBits)
      deny(number, {{mode, SCMP_CMP_MASKED_EQ, bit, bit}});
  // Without a flag that creates, the mode is whatever the register held.
  constexpr std::uint64_t kTemporary = O_TMPFILE & ~O_DIRECTORY;
  for (auto const [number, mode] : {Call{SCMP_SYS(open), 2}, Call{SCMP_SYS(openat), 3}})
    for (std::uint64_t const creates : {std::uint64_t{O_CREAT}, kTemporary})
      for (std::uint64_t const bit : kBits)
        deny(number, {{mode - 1, SCMP_CMP_MASKED_EQ, creates, creates},
                      {mode, SCMP_CMP_MASKED_EQ, bit, bit}});
  // Its mode is in memory, where no filter looks. Programs fall back to openat.
  note(failed, seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0));
}

Result<std::vector<sock_filter>> export_program(scmp_filter_ctx filter) {
  os::Fd const file{::memfd_create("drover-seccomp", MFD_CLOEXEC)};
  if (!file.valid()) return fail_errno("create", "a memory file for the seccomp filter");
  if (int const result = seccomp_export_bpf(filter, file.get()); result < 0)
    return std::unexpected(system_error(-result, "compile", "the seccomp filter"));
  off_t const bytes = ::lseek(file.get(), 0, SEEK_END);
  std::vector<sock_filter> program(static_cast<std::size_t>(bytes) / sizeof(sock_filter));
  if (::pread(file.get(), program.data(), program.size() * sizeof(sock_filter), 0) != bytes)
    return fail_errno("read", "the compiled seccomp filter");
  return program;
}

// Ahead of libseccomp's program: a number above the newest known call, but below x32's range,
// does not exist as far as the sandbox is concerned.
std::vector<sock_filter> with_ceiling(std::vector<sock_filter> program) {
  constexpr std::uint32_t kX32Bit = 0x40000000;
  std::vector<sock_filter> const ceiling{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kNewestCall, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
  };
  program.insert(program.begin(), ceiling.begin(), ceiling.end());
  return program;
}

}  // namespace

Result<std::vector<sock_filter>> compile_seccomp_filter() {
  Filter const filter{seccomp_init(SCMP_ACT_ALLOW)};
  if (!filter) return fail(ErrorCode::internal, "cannot create a seccomp filter");
  int failed = 0;
  note(failed, seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
  // A binary tree over the numbers: some ten comparisons a call instead of eighty.
  note(failed, seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
  deny_named(filter.get(), failed);
  deny_namespaces(filter.get(), failed);
  deny_terminal_injection(filter.get(), failed);
  deny_socket_families(filter.get(), failed);
  deny_setuid_bits(filter.get(), failed);
  if (failed != 0) return std::unexpected(system_error(failed, "build", "the seccomp filter"));
  auto program = export_program(filter.get());
  if (!program) return program;
  return with_ceiling(std::move(*program));
}

}  // namespace drover::sandbox
