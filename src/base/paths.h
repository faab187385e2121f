#pragma once
// Paths as texts; nothing is looked up.
#include <string_view>

namespace drover {

// The folder itself, or anything below it. Both are absolute, and none but "/" ends in a slash.
[[nodiscard]] inline bool is_within(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.starts_with('/');
  return path == folder ||
         (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

}  // namespace drover
