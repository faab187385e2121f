#pragma once
// The last entry of an archive: who wrote it, what is in it, and the digest of it all. Pure.
//
// {"drover_backup":1, "drover":"0.1.0", "schema":{"broker":1,…}, "created_at":…, "state_folder":…,
//  "contents":{…}, "left_out":{…}, "rows":{"runs":7,…}, "sha256":"…"}
//
// The digest is over every entry (type, mode, time, path, content) and the manifest without it.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "backup/entry.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/time.h"
#include "store/migrations.h"

namespace drover::backup {

struct Contents {
  std::int64_t files = 0;
  std::int64_t folders = 0;
  std::int64_t symlinks = 0;
  std::int64_t bytes = 0;  // of the files
};

// What was found and is not in the archive, or not as it was found.
struct LeftOut {
  std::int64_t special = 0;     // FIFOs, sockets and devices
  std::int64_t vanished = 0;    // gone or of another kind when it was to be read
  std::int64_t unreadable = 0;  // an agent took the right to read it from its own file
  std::int64_t too_large = 0;   // over kFileBytesMax, or too deep a path
  std::int64_t changed = 0;     // changed while it was read: in the archive as far as it was there
};

struct Manifest {
  std::string drover;  // version
  store::SchemaVersions schema;
  WallTime created_at;
  std::string state_folder;  // where it was, for people; UTF-8
  Contents contents;
  LeftOut left_out;
  std::map<std::string, std::int64_t, std::less<>> rows;  // of each table of the store
  std::string sha256;
};

// What this drover can carry on with.
struct Compatibility {
  std::string version;
  store::SchemaVersions schema;
};

// The digest of the entries in their order, then of the manifest.
class SequenceDigest {
 public:
  void begin(Entry const& entry);
  void content(std::string_view bytes) { hash_.update(bytes); }
  // `manifest` is its text without the digest. Hexadecimal; the object is spent.
  [[nodiscard]] std::string finish(std::string_view manifest);

 private:
  Sha256 hash_;
};

// The text with its digest, which is `digest`'s.
[[nodiscard]] std::string print(Manifest const& manifest, SequenceDigest digest);

struct ParsedManifest {
  Manifest manifest;
  std::string unsigned_text;  // what the digest covers
};
// conflict for a later format than this program's; data_corrupt for what is none.
[[nodiscard]] Result<ParsedManifest> parse_manifest(std::string_view text);

// conflict when a newer drover or a newer schema wrote it.
[[nodiscard]] Status check_compatible(Manifest const& manifest, Compatibility const& known);
// Whether the dotted numbers of `left` are above those of `right`: 0.10.0 is newer than 0.9.3.
[[nodiscard]] bool newer_version(std::string_view left, std::string_view right);

}  // namespace drover::backup
