#pragma once
// What an engine is to bind into a container that it starts again by itself, also when this server
// does not run: folders of the host as they are, whose owner nobody maps. So the program's user has
// to be let in by the folder itself.
#include <sys/types.h>

#include <vector>

#include "base/error.h"
#include "runtime/container_spec.h"
#include "sandbox/spec.h"

namespace drover::fleet {

// For a program that is `user` on the host. not_found for a source that is missing, forbidden, with
// the fix, for one that the program could not use. Blocks.
[[nodiscard]] Result<std::vector<runtime::BoundSource>> mount_sources(
    sandbox::SandboxSpec const& spec, uid_t user);

}  // namespace drover::fleet
