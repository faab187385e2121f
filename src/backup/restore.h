#pragma once
// Puts an archive in the place of a state folder. Blocking.
//
// It is unpacked beside the folder, checked whole and synced; only then renamed. After a kill at
// any moment there is the old state or the new one, each whole.
#include <atomic>
#include <string>

#include "backup/manifest.h"
#include "base/error.h"
#include "base/time.h"

namespace drover::backup {

enum class Occupied : std::uint8_t {
  refuse,  // a folder that is not empty stays
  // It is moved aside to `<folder>.before-restore-<time>`. Records of units that may still run
  // stay, so that the next server ends those.
  replace,
};

struct RestoreOptions {
  std::string file;
  std::string state_folder;  // absolute; may be missing
  Occupied occupied = Occupied::refuse;
  Compatibility known;
  std::atomic<bool> const* abort = nullptr;
};

struct Restored {
  Manifest manifest;
  std::string moved_aside;  // where the old state is; empty where there was none
};

// conflict: a server runs there, the folder is not empty, a newer drover wrote the archive.
// data_corrupt: the archive is none, or not whole. unsupported: the folder is a mount point, or its
// file system cannot exchange two folders at once. Whatever it is, nothing was changed.
[[nodiscard]] Result<Restored> restore(RestoreOptions const& options, Clock const& clock);

}  // namespace drover::backup
