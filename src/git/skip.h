#pragma once
// Why a path of the work tree was left out of a commit.
#include <cstdint>
#include <string>
#include <string_view>

namespace drover::git {

enum class SkipReason : std::uint8_t {
  nested_repository,     // a folder with a .git of its own; never entered
  hard_link,             // more than one link: the content may be another folder's
  special_file,          // FIFO, socket or device
  unsafe_name,           // .git in one of its spellings, or a linked .gitmodules
  external_filter,       // .gitattributes names a filter; filters are never run
  unsupported_encoding,  // working-tree-encoding other than UTF-8
  changed_while_reading,
  unreadable,
  path_too_long,
};
[[nodiscard]] std::string_view to_string(SkipReason reason);

struct Skipped {
  std::string path;
  SkipReason reason = SkipReason::unreadable;
  friend auto operator<=>(Skipped const&, Skipped const&) = default;
};

}  // namespace drover::git
