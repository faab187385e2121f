#pragma once
// What drover keeps inside a workspace for the session's continuity, and keeps out of the user's
// commits.
#include <string>
#include <vector>

namespace drover::workspace {

// Prefixes relative to the top of the work tree.
[[nodiscard]] std::vector<std::string> private_paths();
// The same as patterns for git's info/exclude.
[[nodiscard]] std::vector<std::string> private_patterns();

}  // namespace drover::workspace
