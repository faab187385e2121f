#include "worker/disk_room.h"

#include <sys/statvfs.h>

#include <cstdint>

namespace drover::worker {

namespace {
constexpr std::uint64_t kUnitBytes = std::uint64_t{4} << 20U;
}  // namespace

bool has_room(std::string const& folder) {
  struct statvfs disk{};
  if (::statvfs(folder.c_str(), &disk) != 0) return true;
  // Some file systems have no table of inodes to fill up.
  bool const inodes = disk.f_files == 0 || disk.f_favail > 0;
  return inodes && static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize >= kUnitBytes;
}

}  // namespace drover::worker
