#pragma once
// The write-ahead log that a writer left without closing the file, made durable as it can be read.
#include <string>

#include "base/error.h"

namespace drover::store {

// Writes the log `path` anew, byte by byte the same, and syncs it. What an earlier process wrote
// may be in the page cache alone: after a failed sync its pages count as clean there, so that no
// later sync writes them. A reader cannot tell, and would build on what the next loss of power
// takes away. `vfs` as in OpenOptions. No error when there is no log.
[[nodiscard]] Status rewrite_log(std::string const& path, std::string const& vfs);

}  // namespace drover::store
