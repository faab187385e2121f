#pragma once
// The walk over a work tree: compares lstat with the index and finds what may have changed.
// The tree is hostile: folders are opened beneath the root without following links, files are not
// opened at all, nested repositories are not entered, and the walk has a deadline and a bound.
// Internal to the layer. scan() uses a few threads of its own and returns when they ended.
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "git/index_file.h"
#include "git/rules.h"
#include "git/skip.h"

namespace drover::git {

inline constexpr std::size_t kScanEntriesMax = 2'000'000;
inline constexpr std::size_t kRulesFileBytesMax = std::size_t{1} << 20U;
inline constexpr std::size_t kPathBytesMax = 4095;
inline constexpr unsigned kScanThreads = 2;

struct ScanRequest {
  int root_fd = -1;
  IndexFile const* index = nullptr;
  std::vector<std::string> excluded;  // a path and all below it
  // From the strongest to the weakest: info/exclude, core.excludesFile.
  std::vector<IgnoreRules> ignores;
  bool trust_executable_bit = true;  // core.fileMode
  std::chrono::milliseconds time_max{60'000};
};

enum class FoundKind : std::uint8_t {
  added,    // not in the index, not ignored
  suspect,  // lstat differs from the index: content must be compared
  deleted,  // in the index, not in the tree
};

struct Found {
  std::string path;
  FoundKind kind = FoundKind::added;
  std::size_t index_at = 0;  // of the entry, for suspect and deleted
  std::uint32_t mode = 0;    // as git has it, for added and suspect
};

struct ScanResult {
  std::vector<Found> found;      // sorted by path
  std::vector<Skipped> skipped;  // sorted by path
  // Entries that are skipped although tracked: their lstat must not be trusted later.
  std::vector<std::size_t> distrusted;
  // A .gitattributes that is no regular file: libgit2 must not be let near this tree.
  std::vector<std::string> odd_attribute_files;
};

[[nodiscard]] Result<ScanResult> scan(ScanRequest const& request);

// A regular file of rules beneath `root_fd`; empty text where there is none or it is no regular
// file. too_large above kRulesFileBytesMax.
[[nodiscard]] Result<std::string> read_rules_beneath(int root_fd, std::string const& path);

// ".git" as git, HFS+ or NTFS would understand it.
[[nodiscard]] bool is_dot_git(std::string_view name);
[[nodiscard]] bool is_under(std::string_view path, std::vector<std::string> const& prefixes);

}  // namespace drover::git
