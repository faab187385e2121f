#pragma once
// Which paths differ between two trees. Internal to the layer.
#include <cstdint>
#include <string>
#include <vector>

#include "git/repository_impl.h"

namespace drover::git {

struct TreeSide {
  Oid oid;
  std::uint32_t mode = 0;  // 0: not there
};

struct TreeDelta {
  std::string path;
  TreeSide before, after;
};

// Sorted by path; renames are a deletion and an addition. A zero tree is the empty one.
[[nodiscard]] Result<std::vector<TreeDelta>> tree_deltas(Repository::Impl const& impl,
                                                         Oid const& from_tree, Oid const& to_tree);

}  // namespace drover::git
