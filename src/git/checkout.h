#pragma once
// Writing the work tree, ourselves: parents are opened beneath the root without following links,
// files are made beside and renamed, filters are never run. Internal to the layer.
#include <vector>

#include "git/index_file.h"
#include "git/repository_impl.h"
#include "git/tree_delta.h"

namespace drover::git {

// Which of the deltas cannot be applied because something that git does not track is in the way,
// or because a filter would have to be run. Empty: all can.
[[nodiscard]] Result<std::vector<std::string>> find_obstacles(Repository::Impl const& impl,
                                                              IndexFile const& index,
                                                              std::vector<TreeDelta> const& deltas);

// Brings the work tree and `index` (in memory) from the deltas' before to their after. On failure
// what was done is undone, as far as the disk allows, and `index` is not to be used.
[[nodiscard]] Status apply_deltas(Repository::Impl const& impl, IndexFile& index,
                                  std::vector<TreeDelta> const& deltas);

}  // namespace drover::git
