#pragma once
// Linked work trees: a further checkout of a repository on a branch of its own. Blocks.
#include <string>
#include <vector>

#include "git/repository.h"

namespace drover::git {

struct Worktree {
  std::string name;    // of its folder below .git/worktrees
  std::string path;    // may be gone
  std::string branch;  // short; empty when detached or not readable
  bool missing = false;
};

// Makes `path` (which must not exist, its parent must) a checkout of `branch`; a branch that does
// not exist is made at `start`. Files under an external filter (git-lfs) are written as they are
// stored, because filters are never run. conflict: the branch is checked out elsewhere, or the path
// exists.
[[nodiscard]] Result<Repository> add_worktree(Repository& repository, std::string const& path,
                                              std::string const& branch, Oid const& start);

// Removes what a kill within add_worktree() left of `path` and of the lock on `branch`, both the
// caller's alone: nobody has worked in it, for its index comes last. A whole one, and a folder that
// git knows nothing of, are left as they are.
[[nodiscard]] Status clear_unfinished_worktree(Repository& repository, std::string const& path,
                                               std::string const& branch);

enum class WorktreeRemoval {
  clean_only,  // conflict, naming paths, when something is not committed
  discard,     // whatever is in it
};
// Removes the checkout and its administration; the branch stays. One that is gone is no error.
[[nodiscard]] Status remove_worktree(Repository& repository, std::string const& path,
                                     WorktreeRemoval removal);

[[nodiscard]] Result<std::vector<Worktree>> list_worktrees(Repository const& repository);

// forbidden when it is checked out somewhere; a missing one is no error.
[[nodiscard]] Status delete_branch(Repository& repository, std::string const& branch);

}  // namespace drover::git
