#pragma once
// The system calls that a sandbox may not make, compiled once to BPF. Everything is allowed but a
// strict deny-list (EPERM), clone3 (ENOSYS, so that libc falls back to clone, whose flags can be
// seen), sockets other than unix and IP (EAFNOSUPPORT), calls newer than this list (ENOSYS), and
// foreign ABIs (x32, i386: killed).
#include <linux/filter.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace drover::sandbox {

[[nodiscard]] Result<std::vector<sock_filter>> compile_seccomp_filter();

// The same list as a profile for an OCI runtime, in JSON. Without what a profile cannot say: calls
// that libseccomp knows no name for, and those newer than the list.
[[nodiscard]] std::string oci_seccomp_profile();

}  // namespace drover::sandbox
