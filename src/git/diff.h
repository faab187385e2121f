#pragma once
// Differences between commits, from objects alone: no work tree, no attributes, no textconv and no
// external drivers take part. Blocks.
#include <string>
#include <vector>

#include "git/commit.h"
#include "git/repository.h"

namespace drover::git {

// Above it a file counts as binary, as it does for git.
inline constexpr std::size_t kDiffFileBytesMax = std::size_t{16} << 20U;

struct DiffOptions {
  std::size_t bytes_max = std::size_t{1} << 20U;
  unsigned context = 3;
};

struct DiffText {
  std::string text;  // unified, in git's format; may be cut behind a line
  bool truncated = false;
  std::vector<FileChange> files;  // always all of them
  std::size_t insertions = 0, deletions = 0;
};

// `from` may be zero: the empty tree. Names are commits (see Repository::resolve_commit).
[[nodiscard]] Result<DiffText> diff(Repository const& repository, Oid const& from, Oid const& to,
                                    DiffOptions const& options = {});

// The files that differ between two trees, with line counts.
[[nodiscard]] Result<std::vector<FileChange>> diff_trees(Repository::Impl const& impl,
                                                         Oid const& from_tree, Oid const& to_tree);

}  // namespace drover::git
