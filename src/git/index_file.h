#pragma once
// The index of a work tree, read and written by ourselves: libgit2's writer alone costs a third of
// what a governed commit may take. Grammar (gitformat-index(5)), all numbers big-endian:
//   "DIRC" version:u32 count:u32 entry* extension* sha1
//   entry     = ctime{s,ns} mtime{s,ns} dev ino mode uid gid size:u32 each, oid[20], flags:u16,
//               (version >= 3 and flags bit 14: more:u16), path, NUL padding to 8 (version 4:
//               varint of bytes to drop from the previous path, the rest, one NUL)
//   extension = name[4] size:u32 data; a name in upper case may be ignored
//   TREE      = (path NUL count " " children "\n" oid[20]?)*
// Optional extensions other than TREE are left out on writing: git makes them anew.
//
// Not thread-safe; const access from several threads is fine.
#include <sys/stat.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "git/oid.h"

namespace drover::git {

inline constexpr std::size_t kIndexBytesMax = std::size_t{512} << 20U;
inline constexpr std::size_t kIndexEntriesMax = 4'000'000;

inline constexpr std::uint32_t kModeFile = 0100644;
inline constexpr std::uint32_t kModeExecutable = 0100755;
inline constexpr std::uint32_t kModeLink = 0120000;
inline constexpr std::uint32_t kModeGitlink = 0160000;
inline constexpr std::uint32_t kModeTree = 0040000;

// What lstat said when the entry was last known to equal the file.
struct StatData {
  std::uint32_t ctime_s = 0, ctime_ns = 0, mtime_s = 0, mtime_ns = 0;
  std::uint32_t dev = 0, ino = 0, uid = 0, gid = 0, size = 0;

  [[nodiscard]] static StatData of(struct stat const& info);
  // As git compares it; the device is left out because it changes between mounts.
  [[nodiscard]] bool same_file(StatData const& other) const;
};

struct IndexEntry {
  std::string_view path;  // owned by the IndexFile
  Oid oid;
  StatData stat;
  std::uint32_t mode = 0;
  std::uint16_t flags = 0;  // without the length of the name
  std::uint16_t more = 0;

  [[nodiscard]] unsigned stage() const { return (flags >> 12U) & 3U; }
  [[nodiscard]] bool assume_valid() const { return (flags & 0x8000U) != 0; }
  [[nodiscard]] bool skip_worktree() const { return (more & 0x4000U) != 0; }
  [[nodiscard]] bool intent_to_add() const { return (more & 0x2000U) != 0; }
};

// The order of a CacheTree's children, which is git's.
[[nodiscard]] bool shorter_then_less(std::string_view left, std::string_view right);

// The tree objects that are known for folders of the index.
struct CacheTree {
  std::string name;
  std::int64_t entries = -1;  // below 0: not known, must be computed
  Oid oid{};
  std::vector<CacheTree> children{};

  [[nodiscard]] CacheTree* child(std::string_view child_name);
  // Marks every folder above `path` as not known.
  void invalidate(std::string_view path);
};

class IndexFile {
 public:
  IndexFile() = default;
  IndexFile(IndexFile&&) = default;
  IndexFile& operator=(IndexFile&&) = default;

  // A missing file is an empty index. data_corrupt names the file; unsupported for a split or a
  // sparse index, with the command that turns it into a plain one.
  [[nodiscard]] static Result<IndexFile> read(std::string const& path);

  [[nodiscard]] std::string serialize() const;

  [[nodiscard]] std::vector<IndexEntry> const& entries() const { return entries_; }
  // Entries must stay sorted by path, and their paths must come from the old entries or intern().
  void replace_entries(std::vector<IndexEntry> entries) { entries_ = std::move(entries); }
  [[nodiscard]] std::vector<IndexEntry>& mutable_entries() { return entries_; }
  [[nodiscard]] std::string_view intern(std::string_view path);
  [[nodiscard]] CacheTree& tree() { return tree_; }

  // Racy: the file may have changed within the clock's grain after it was indexed, so that its
  // lstat proves nothing.
  [[nodiscard]] bool is_racy(StatData const& stat) const;
  [[nodiscard]] bool has_conflicts() const { return has_conflicts_; }

 private:
  Status parse(std::string const& path);
  Status parse_entries(std::string_view body, std::size_t count, std::string const& path,
                       std::size_t& at);
  Status parse_extensions(std::string_view body, std::size_t at, std::string const& path);

  std::unique_ptr<std::string> raw_ = std::make_unique<std::string>();
  std::deque<std::string> arena_;
  std::vector<IndexEntry> entries_;
  CacheTree tree_;
  std::uint32_t version_ = 2;
  std::uint32_t mtime_s_ = 0, mtime_ns_ = 0;
  bool has_conflicts_ = false;
};

}  // namespace drover::git
