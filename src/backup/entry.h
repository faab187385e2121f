#pragma once
// What an archive holds, one entry a file, and the order that makes it safe to unpack. Pure.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover::backup {

inline constexpr std::string_view kStoreName = "drover.db";
// Deeper ones no system call would take, with the state folder's own path before them.
inline constexpr std::size_t kPathBytesMax = 3000;
inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kTargetBytesMax = 4095;
// Beyond this a file is left out of an archive, and refused in one. Not the store.
inline constexpr std::uint64_t kFileBytesMax = std::uint64_t{16} << 30U;
inline constexpr std::uint64_t kStoreBytesMax = std::uint64_t{1} << 40U;
// What is kept of a mode: neither set-user-id, set-group-id nor the sticky bit.
inline constexpr std::uint32_t kModeMask = 0777;

enum class EntryKind : std::uint8_t { file, folder, symlink };

[[nodiscard]] std::string_view to_string(EntryKind kind);

struct Entry {
  std::string path;  // below the state folder; any bytes but NUL
  EntryKind kind = EntryKind::file;
  std::uint32_t mode = 0;
  std::int64_t mtime_ns = 0;  // since 1970; 0 for folders, which change as they are filled
  std::uint64_t size = 0;     // of a file
  std::string target;         // of a symlink
};

// The folder of a path: "" for one at the top.
[[nodiscard]] std::string_view parent_of(std::string_view path);
// Names compared one by one as bytes, so that a folder comes right before what is in it.
[[nodiscard]] bool comes_before(std::string_view left, std::string_view right);

// Takes the entries of one archive in their order. Refuses names that lead out, and whatever is not
// strictly behind the entry before or not in a folder that came before: so nothing is twice, and
// nothing is written through a link. Holds no more than the folders that are open.
class EntryOrder {
 public:
  // data_corrupt, naming the entry.
  [[nodiscard]] Status admit(Entry const& entry);

 private:
  std::string last_;
  std::vector<std::string> open_;  // folders that the next entry may be in
};

}  // namespace drover::backup
