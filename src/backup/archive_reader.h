#pragma once
// Reads an archive that anybody may have written. Every entry is checked before it is seen, and the
// digest once all were read: nothing of it is to be trusted before next() has returned nullopt.
//
// Takes what ArchiveWriter writes, and the same tar uncompressed. Not thread-safe.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backup/entry.h"
#include "backup/manifest.h"
#include "base/error.h"

struct archive;
struct archive_entry;

namespace drover::backup {

class ArchiveReader {
 public:
  // Borrows the descriptor; `name` is for messages.
  [[nodiscard]] static Result<ArchiveReader> open_fd(int fd, std::string name);
  // Borrows the bytes.
  [[nodiscard]] static Result<ArchiveReader> open_bytes(std::string_view bytes);

  // The next entry of the state folder; nullopt once the manifest was read and holds.
  // data_corrupt, naming the entry, for all that is no archive of a state folder; conflict for a
  // format of a newer drover.
  [[nodiscard]] Result<std::optional<Entry>> next();
  // The next piece of the entry's content, valid until the next call; empty at its end. next()
  // reads what is left.
  [[nodiscard]] Result<std::string_view> read();
  [[nodiscard]] Manifest const& manifest() const { return manifest_; }

 private:
  struct Free {
    void operator()(archive* handle) const;
  };
  explicit ArchiveReader(std::string name);
  [[nodiscard]] Status check(long code) const;
  [[nodiscard]] Status support() const;
  [[nodiscard]] Result<Entry> entry_of(archive_entry* header) const;
  [[nodiscard]] Result<std::string> read_rest(std::size_t bytes_max);
  [[nodiscard]] Status finish(Entry const& entry);

  std::unique_ptr<archive, Free> archive_;
  std::string name_;
  std::vector<char> buffer_;
  EntryOrder order_;
  SequenceDigest digest_;
  Contents contents_;
  std::uint64_t left_ = 0;  // of the entry's content
  Manifest manifest_;
};

}  // namespace drover::backup
