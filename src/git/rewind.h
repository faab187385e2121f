#pragma once
// Going back: keeping a commit under a ref of ours and giving a checkout back as it was. Blocks.
#include <optional>
#include <string>
#include <vector>

#include "git/commit.h"
#include "git/repository.h"

namespace drover::git {

// Points `name` (below refs/drover/) to `commit`, whatever it pointed to before.
[[nodiscard]] Status set_ref(Repository& repository, std::string const& name, Oid const& commit);

// Takes the branch, the index and the work tree back from `from` to `target`. Errors as for
// landing, and conflict when HEAD is not at `from`; everything is then as it was.
[[nodiscard]] Status rewind(Repository& repository, Oid const& from, Oid const& target,
                            std::string const& reflog, WallTime when,
                            std::vector<std::string> const& excluded);

struct Trailer {
  std::string name, value;
};
// HEAD as the outcome of its commit, when its message has the trailer.
[[nodiscard]] Result<std::optional<CommitOutcome>> head_commit_with(Repository& repository,
                                                                    Trailer const& trailer);
// The same of a reference, whose name is then the outcome's branch. Nothing where there is none.
[[nodiscard]] Result<std::optional<CommitOutcome>> commit_of_ref_with(Repository& repository,
                                                                      std::string const& ref,
                                                                      Trailer const& trailer);

}  // namespace drover::git
