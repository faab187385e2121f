#pragma once
// Files that come into being whole or not at all, and never over another. Blocking.
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::os {

// Writes and syncs `bytes` where no name shows it, then gives it the name `path`: a crash leaves
// the whole file or nothing. conflict: the name is taken. The folder is not synced.
[[nodiscard]] Status create_whole_file(std::string const& path, std::string_view bytes);
// The same without the sync: a power cut can leave it empty.
[[nodiscard]] Status create_passing_file(std::string const& path, std::string_view bytes);

// Makes all that was written to the file system of a folder last, by whomever: cheaper than syncing
// many files one by one.
[[nodiscard]] Status sync_file_system(std::string const& folder);

// Makes what was created, replaced or removed in a folder last.
[[nodiscard]] Status sync_folder(std::string const& path);

}  // namespace drover::os
