#pragma once
// What neither a sandbox nor a container may call: for the filter of the one and the profile of the
// other.
#include <sched.h>

#include <cstdint>

namespace drover::sandbox {

// Names that libseccomp or this architecture does not know are not callable by it either.
inline constexpr char const* kDenied[] = {
    // other processes and their memory
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "process_madvise", "kcmp",
    // namespaces and mounts
    "unshare", "setns", "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount",
    "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "swapon", "swapoff",
    "quotactl", "quotactl_fd", "sethostname", "setdomainname",
    // large kernel surfaces with a history
    "io_uring_setup", "io_uring_enter", "io_uring_register", "userfaultfd", "bpf",
    "perf_event_open", "keyctl", "add_key", "request_key", "fanotify_init", "memfd_secret",
    "lookup_dcookie", "open_by_handle_at", "name_to_handle_at", "move_pages", "migrate_pages",
    "vmsplice",
    // the machine
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "create_module", "query_module", "get_kernel_syms", "reboot", "settimeofday", "clock_settime",
    "clock_adjtime", "adjtimex", "stime", "acct", "syslog", "vhangup", "iopl", "ioperm",
    "modify_ldt", "nfsservctl", "_sysctl", "sysfs", "uselib", "ustat", "vm86", "vm86old"};

inline constexpr std::uint64_t kNamespaceFlags[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
                                                    CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
                                                    CLONE_NEWNET};

// They put words into a terminal's input.
inline constexpr std::uint64_t kTerminalInjection[] = {0x5412 /* TIOCSTI */,
                                                       0x541C /* TIOCLINUX */};

}  // namespace drover::sandbox
