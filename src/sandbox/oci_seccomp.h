#pragma once
// The system calls that a container may make, as a profile for an OCI runtime, in JSON. It says
// what seccomp_filter.h says, the other way round: what is allowed is named, because a profile
// cannot deny a call that its runtime has no name for.
#include <string>

namespace drover::sandbox {

[[nodiscard]] std::string oci_seccomp_profile();

}  // namespace drover::sandbox
