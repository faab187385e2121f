#pragma once
// One archive of a whole state folder, while a server works in it or not. Blocking.
//
// The store comes first, as of one moment, and the files after it: a session's file may be ahead of
// the store, as after a crash, and never behind it.
#include <atomic>
#include <string>

#include "backup/manifest.h"
#include "base/error.h"
#include "base/time.h"

namespace drover::backup {

struct BackupOptions {
  std::string state_folder;  // absolute
  std::string file;          // replaced where it exists
  Compatibility known;       // of this program
  std::atomic<bool> const* abort = nullptr;
};

struct Archive {
  std::string file;
  std::uint64_t bytes = 0;
  Manifest manifest;
};

// Written to a temporary name beside `file`, mode 0600, read back and checked, synced, renamed.
// not_found when the folder has no store; conflict when a newer drover wrote it; invalid_argument
// for a file inside the state folder.
[[nodiscard]] Result<Archive> back_up(BackupOptions const& options, Clock const& clock);

struct VerifyOptions {
  std::string file;
  std::string work_folder;  // where the store is unpacked to and removed again
  Compatibility known;
  std::atomic<bool> const* abort = nullptr;
};

// Reads an archive as restore() does, and keeps nothing of it.
[[nodiscard]] Result<Archive> verify(VerifyOptions const& options);

// "drover-20261121T033427Z.tar.zst"
[[nodiscard]] std::string default_file(WallTime now);

}  // namespace drover::backup
