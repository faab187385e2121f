#pragma once
// What a session left in a workspace's repository: its linked worktree and its branch. Blocks;
// called on the pool.
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "git/land.h"
#include "git/oid.h"

namespace drover::workspace {

struct SessionTree {
  std::string path;      // of the workspace
  std::string worktree;  // of the session
  std::string branch;
};

// conflict where removing it would lose something: commits that the workspace's checked-out branch
// does not have, or changes that no commit has.
[[nodiscard]] Status require_landed(SessionTree const& tree);

struct LandTerms {
  git::LandStrategy strategy = git::LandStrategy::automatic;
  std::string session;
  WallTime now;
  // Nothing is landed when the branch is not at this commit (conflict).
  std::optional<git::Oid> at{};
};
// Merges the branch into what the workspace has checked out, as its user. Errors as git::land().
[[nodiscard]] Result<git::LandOutcome> land(SessionTree const& tree, LandTerms const& terms);

// Why the outcome is LandKind::conflicts, and what to do.
[[nodiscard]] Error land_conflict(SessionTree const& tree, git::LandOutcome const& outcome);

// Takes the branch and its worktree back from `from` to `base`, and keeps `from` under
// refs/drover/rescue/<run>. Nothing is left to do when it is at `base`; conflict when it is
// elsewhere.
struct Discard {
  git::Oid from;
  git::Oid base;
  std::string run;
  WallTime now;
};
[[nodiscard]] Status discard(SessionTree const& tree, Discard const& terms);

// Worktree and branch, whatever is in them; what is gone already is no error. Rescue refs stay.
[[nodiscard]] Status remove(SessionTree const& tree);

}  // namespace drover::workspace
