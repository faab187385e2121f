#pragma once
// Mounts in a container that runs already. For one whose program is drover's own and waits: what
// the paths inside lead to is then the image's and the engine's, and nobody changes it meanwhile.
// Needs root; blocks.
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/container_spec.h"

namespace drover::runtime {

// The program of `container` as a descriptor that no later process with its pid can take over.
// not_found where the process is another's: the engine's machine is not this one, or it has ended.
[[nodiscard]] Result<os::Fd> open_program(int pid, std::string const& container);

// In this order. A target, or the folder around it, that is missing is made. After an error some
// may be there: the container is of no further use.
[[nodiscard]] Status mount_into(int process, std::vector<BoundSource> const& binds);

}  // namespace drover::runtime
