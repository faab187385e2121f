#pragma once
// A governed commit: everything that changed in a work tree, as one durable commit whose branch
// moves only if nobody else moved it. Blocks; one thread at a time for each Repository.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "git/repository.h"
#include "git/skip.h"

namespace drover::git {

struct CommitLimits {
  std::size_t files_max = 50'000;
  std::size_t file_bytes_max = std::size_t{100} << 20U;
  std::size_t total_bytes_max = std::size_t{1} << 30U;
  std::chrono::milliseconds time_max{60'000};  // for the walk over the tree
};

struct CommitRequest {
  std::string subject;  // its first line counts
  std::string body;     // may be empty
  Identity author, committer;
  WallTime when;
  std::vector<std::pair<std::string, std::string>> trailers;  // "Drover-Session", "ses-…"
  // A path and everything below it, left alone: ".claude/.session", ".drover".
  std::vector<std::string> excluded;
  CommitLimits limits;
  // The commit that HEAD has to be at; conflict when it is not.
  std::optional<Oid> expected_head;
};

struct FileChange {
  enum class Kind { added, modified, deleted, type_changed };
  std::string path;
  Kind kind = Kind::modified;
  std::size_t insertions = 0, deletions = 0;
  bool binary = false;
};
[[nodiscard]] std::string_view to_string(FileChange::Kind kind);

struct CommitOutcome {
  bool committed = false;  // false: the tree equals HEAD; the rest then describes HEAD
  Oid commit, parent, tree;
  std::string branch;  // empty when HEAD is detached
  std::string subject;
  std::vector<FileChange> files;
  std::size_t insertions = 0, deletions = 0;
  std::vector<Skipped>
      skipped;  // sorted by path; what the commit does not hold although it differs
};

// Stages what changed (new files that are not ignored, changes, deletions, modes, links) and
// commits it. Afterwards the user's index equals the new HEAD.
// Errors, all of which leave HEAD, index and work tree as they were: conflict (HEAD moved, an index
// lock, a merge under way), not_found (no commit yet), too_large (a limit, which is named),
// timeout, no_space.
[[nodiscard]] Result<CommitOutcome> commit_changes(Repository& repository,
                                                   CommitRequest const& request);

// What a commit would hold now, without committing: for rules that judge a change first. Objects
// are written (unreferenced, so that `git gc` takes them); index and branch are not.
struct Preview {
  bool dirty = false;
  Oid head, tree;
  std::vector<FileChange> files;
  std::vector<Skipped> skipped;
};
[[nodiscard]] Result<Preview> preview_changes(Repository& repository,
                                              std::vector<std::string> const& excluded,
                                              CommitLimits const& limits);

}  // namespace drover::git
