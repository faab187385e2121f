#pragma once
#include <string>

namespace drover::worker {

// Whether the disk of `folder` has what a unit needs at least for its files: 4 MiB and an inode.
// True where nobody can tell. Blocks.
[[nodiscard]] bool has_room(std::string const& folder);

}  // namespace drover::worker
