#pragma once
// The system calls that a sandbox may not make, compiled once to BPF. Everything is allowed but a
// strict deny-list (EPERM), clone3 (ENOSYS, so that libc falls back to clone, whose flags can be
// seen), sockets other than unix and IP (EAFNOSUPPORT), calls newer than this list (ENOSYS), and
// foreign ABIs (x32, i386: killed).
#include <linux/filter.h>

#include <vector>

#include "base/error.h"

namespace drover::sandbox {

[[nodiscard]] Result<std::vector<sock_filter>> compile_seccomp_filter();

}  // namespace drover::sandbox
