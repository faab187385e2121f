#pragma once
// Writes an archive: a tar (pax) compressed with zstd.
//
//   state/<path>    each entry, in the order of EntryOrder
//   manifest.json   the last entry (backup/manifest.h)
//
// Not thread-safe. A failed call leaves an archive that is to be thrown away.
#include <memory>
#include <string>
#include <string_view>

#include "backup/entry.h"
#include "backup/manifest.h"
#include "base/error.h"

struct archive;

namespace drover::backup {

inline constexpr std::string_view kStatePrefix = "state/";
inline constexpr std::string_view kManifestName = "manifest.json";

class ArchiveWriter {
 public:
  // Borrows the descriptor; `name` is for messages.
  [[nodiscard]] static Result<ArchiveWriter> create(int fd, std::string name);

  // A file's `size` bytes follow with write().
  [[nodiscard]] Status begin(Entry const& entry);
  [[nodiscard]] Status write(std::string_view bytes);
  // What was written goes into the manifest as `contents`. Does not sync the file.
  [[nodiscard]] Result<Manifest> finish(Manifest manifest);

 private:
  struct Free {
    void operator()(archive* handle) const;
  };
  explicit ArchiveWriter(archive* handle, std::string name)
      : archive_(handle), name_(std::move(name)) {}
  [[nodiscard]] Status check(long code) const;
  [[nodiscard]] Status write_header(std::string const& path, Entry const& entry);

  std::unique_ptr<archive, Free> archive_;
  std::string name_;
  EntryOrder order_;
  SequenceDigest digest_;
  Contents contents_;
};

}  // namespace drover::backup
