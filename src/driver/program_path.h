#pragma once
// Where a program of the host is, and what of the host a sandbox has to show so that it runs there.
#include <string>
#include <vector>

#include "base/error.h"

namespace drover::driver {

struct ProgramPath {
  std::string path;                // absolute, and the same inside
  std::vector<std::string> needs;  // folders to be shown read-only; empty: /usr has it
};
// A path, or a name that is searched in PATH. unsupported: there is none.
[[nodiscard]] Result<ProgramPath> find_program(std::string const& name);

}  // namespace drover::driver
