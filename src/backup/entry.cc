#include "backup/entry.h"

#include <algorithm>

#include "base/text.h"

namespace drover::backup {

namespace {

Status refused(std::string_view path, std::string_view why) {
  return fail(ErrorCode::data_corrupt, "the archive's entry {} {}", printable(path), why);
}

Status check_path(std::string const& path) {
  if (path.empty()) return refused(path, "has no name");
  if (path.size() > kPathBytesMax) return refused(path, "has too long a path");
  if (path.find('\0') != std::string::npos) return refused(path, "has a NUL in its name");
  for (std::string_view const name : split(path, '/')) {
    if (name.empty() || name == "." || name == "..")
      return refused(path, "does not name a place below the state folder");
    if (name.size() > kNameBytesMax) return refused(path, "has too long a name");
  }
  return {};
}

Status check_content(Entry const& entry) {
  if ((entry.mode & ~kModeMask) != 0)
    return refused(entry.path, "has a set-user-id, set-group-id or sticky bit");
  if (entry.kind == EntryKind::symlink) {
    if (entry.target.empty() || entry.target.size() > kTargetBytesMax)
      return refused(entry.path, "is a symbolic link to nothing, or to too long a path");
    return {};
  }
  if (entry.size > (entry.path == kStoreName ? kStoreBytesMax : kFileBytesMax))
    return refused(entry.path, "is larger than a file may be");
  return {};
}

}  // namespace

std::string_view to_string(EntryKind kind) {
  switch (kind) {
    case EntryKind::file:
      return "file";
    case EntryKind::folder:
      return "folder";
    case EntryKind::symlink:
      return "symlink";
  }
  return "?";
}

std::string_view parent_of(std::string_view path) {
  auto const slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

bool comes_before(std::string_view left, std::string_view right) {
  // As if '/' were below every byte that a name may have.
  auto const rank = [](char c) { return c == '/' ? 0U : static_cast<unsigned char>(c); };
  return std::ranges::lexicographical_compare(left, right,
                                              [&](char a, char b) { return rank(a) < rank(b); });
}

Status EntryOrder::admit(Entry const& entry) {
  DROVER_TRY(check_path(entry.path));
  DROVER_TRY(check_content(entry));
  if (entry.path == last_) return refused(entry.path, "is there twice");
  if (!last_.empty() && !comes_before(last_, entry.path))
    return refused(entry.path, "is out of order, or there twice");
  std::string_view const parent = parent_of(entry.path);
  while (!open_.empty() && open_.back() != parent)
    open_.pop_back();
  if (!parent.empty() && open_.empty())
    return refused(entry.path, "is in no folder of the archive");
  if (entry.kind == EntryKind::folder) open_.push_back(entry.path);
  last_ = entry.path;
  return {};
}

}  // namespace drover::backup
