#pragma once
// The second wall behind the mounts, for a child of a program whose sandbox was made without it:
// Landlock, as in sandbox/child.h.
#include <string>
#include <vector>

#include "base/error.h"

namespace drover::unit {

enum class WallNeed : std::uint8_t {
  required,      // a kernel without Landlock is an error
  if_available,  // in a container, whose first wall is the engine's
};

// From here on this process and what it starts read everything that they see, and write nothing but
// the devices and what is below `writable`. Folders that are not there are left out.
[[nodiscard]] Status wall_in(std::vector<std::string> const& writable, WallNeed need);

}  // namespace drover::unit
