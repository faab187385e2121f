#pragma once
// Unpacks an archive into an empty folder of one's own, and looks whether what came out holds
// together. Blocking, not thread-safe.
#include <atomic>
#include <string>

#include "backup/archive_reader.h"
#include "backup/manifest.h"
#include "base/error.h"

namespace drover::backup {

enum class Extract : std::uint8_t {
  everything,
  store_only,  // the rest is read and checked, and not written
};

struct ExtractOptions {
  std::string folder;  // absolute, empty, nobody else's
  Extract what = Extract::everything;
  Compatibility known;
  std::atomic<bool> const* abort = nullptr;
};

// The archive whole: every entry, the digest, the versions, and the store by SQLite's own check.
// When it fails, the folder is to be removed.
[[nodiscard]] Result<Manifest> extract(ArchiveReader& archive, ExtractOptions const& options);

// What a store holds: the rows of each table.
[[nodiscard]] Result<std::map<std::string, std::int64_t, std::less<>>> count_rows(
    store::Database& database);

}  // namespace drover::backup
