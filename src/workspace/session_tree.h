#pragma once
// What a session left in a workspace's repository: its linked worktree and its branch. Blocks;
// called on the pool.
#include <string>

#include "base/error.h"

namespace drover::workspace {

struct SessionTree {
  std::string path;      // of the workspace
  std::string worktree;  // of the session
  std::string branch;
};

// conflict where removing it would lose something: commits that the workspace's checked-out branch
// does not have, or changes that no commit has.
[[nodiscard]] Status require_landed(SessionTree const& tree);

// Worktree and branch, whatever is in them; what is gone already is no error. Rescue refs stay.
[[nodiscard]] Status remove(SessionTree const& tree);

}  // namespace drover::workspace
