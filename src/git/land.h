#pragma once
// Merging a session's branch into the branch that the user has checked out. All or nothing: the
// merge is made in memory, the work tree is touched only when it succeeded, and put back if writing
// fails. Blocks.
#include <string>
#include <vector>

#include "git/repository.h"

namespace drover::git {

enum class LandStrategy {
  automatic,     // fast-forward where possible, else a merge commit
  fast_forward,  // conflict when it is not possible
  merge,         // always a merge commit
};

struct LandRequest {
  std::string branch;  // short name: "drover/ses-…"
  LandStrategy strategy = LandStrategy::automatic;
  Identity identity;  // author and committer of a merge commit
  WallTime when;
  std::vector<std::pair<std::string, std::string>> trailers;
  std::vector<std::string> excluded;  // not looked at for cleanness
};

enum class LandKind { fast_forward, merge, up_to_date, conflicts };
[[nodiscard]] std::string_view to_string(LandKind kind);

struct LandOutcome {
  LandKind kind = LandKind::up_to_date;
  Oid commit;                            // where the user's branch is now
  std::string branch;                    // the user's; empty when HEAD is detached
  std::vector<std::string> conflicts{};  // for conflicts: paths, sorted; nothing was touched
};

// Errors, which leave everything as it was: conflict (uncommitted changes or untracked files in the
// way, both named; no fast-forward possible; histories without a common commit), not_found
// (branch).
[[nodiscard]] Result<LandOutcome> land(Repository& repository, LandRequest const& request);

// Whether the checked-out commit has everything of the branch; true when there is no such branch.
[[nodiscard]] Result<bool> is_landed(Repository const& repository, std::string const& branch);

}  // namespace drover::git
