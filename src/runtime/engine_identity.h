#pragma once
// As whom this server is known to a container engine.
#include <string>

#include "base/error.h"
#include "base/random.h"

namespace drover::runtime {

// Of what `folder` (`<state>/docker`) holds and where it is: a copy of the state folder elsewhere
// is another server, and so is another machine's at the same place. Made where there is none.
// Blocks; thread-safe.
[[nodiscard]] Result<std::string> engine_identity(std::string const& folder, Random& random);

}  // namespace drover::runtime
