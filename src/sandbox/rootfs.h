#pragma once
// An unpacked root file system in the place of the host's own programs: which of its parts are
// shown where. Its folders are mounted read-only one by one, so that what a sandbox puts there
// itself (tmpfs, /proc, workspaces) needs no place in it; only folders that hold such a place are
// opened up.
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace drover::sandbox {

inline constexpr std::size_t kRootEntriesMax = 512;

struct RootEntry {
  enum class Kind : std::uint8_t { mount, link };
  Kind kind = Kind::mount;
  std::string path{};  // inside, and below the root file system
  std::string link{};  // where a link leads: inside
};

// `places` are absolute paths inside that the sandbox fills itself; what is there in the root file
// system does not show. Sorted by path. Folders are listed and nothing is followed.
[[nodiscard]] Result<std::vector<RootEntry>> root_entries(std::string const& rootfs,
                                                          std::vector<std::string> const& places);

}  // namespace drover::sandbox
