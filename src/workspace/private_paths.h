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

// Below it are the changes that were set aside, one reference a run.
inline constexpr std::string_view kRescueRefs = "refs/drover/rescue/";

}  // namespace drover::workspace
