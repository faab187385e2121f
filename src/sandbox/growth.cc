#include "sandbox/growth.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <set>
#include <utility>

#include "base/text.h"
#include "os/files.h"

namespace drover::sandbox {

namespace {

constexpr std::uint64_t kBlock = 512;  // of st_blocks, whatever the file system's own

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;
using FileId = std::pair<dev_t, ino_t>;

class Walk {
 public:
  explicit Walk(std::string const& root) : root_(root) {}

  Result<TreeSize> run(std::set<FileId>& linked) {
    auto const root = os::open_folder(root_);
    if (!root) return std::unexpected(root.error());
    struct stat info{};
    if (::fstat(root->get(), &info) != 0) return fail_errno("look at", root_);
    device_ = info.st_dev;
    open_.emplace_back(".");
    while (!open_.empty()) {
      std::string const path = std::move(open_.back());
      open_.pop_back();
      if (path.size() >= PATH_MAX)
        return fail(ErrorCode::too_large, "{} is nested too deeply to be measured",
                    printable(root_, 200));
      auto folder = os::open_beneath(root->get(), path, O_RDONLY | O_DIRECTORY);
      if (folder) read(folder->release(), path, linked);
    }
    return size_;
  }

 private:
  void read(int fd, std::string const& path, std::set<FileId>& linked) {
    Folder const folder{::fdopendir(fd)};
    if (!folder) {
      ::close(fd);
      return;
    }
    while (dirent const* const entry = ::readdir(folder.get())) {
      std::string_view const name = entry->d_name;
      struct stat info{};
      if (name == "." || name == "..") continue;
      if (::fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (info.st_dev != device_) continue;
      if (S_ISDIR(info.st_mode))
        open_.push_back(path == "." ? std::string{name} : path + "/" + std::string{name});
      else if (info.st_nlink > 1 && !linked.emplace(info.st_dev, info.st_ino).second)
        continue;
      size_.bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlock;
      ++size_.files;
    }
  }

  std::string root_;
  dev_t device_ = 0;
  std::vector<std::string> open_;
  TreeSize size_;
};

std::set<dev_t> devices_of(std::vector<std::string> const& folders) {
  std::set<dev_t> devices;
  for (auto const& folder : folders) {
    struct stat info{};
    if (::stat(folder.c_str(), &info) == 0) devices.insert(info.st_dev);
  }
  return devices;
}

}  // namespace

TreeSize& TreeSize::operator+=(TreeSize const& other) {
  bytes += other.bytes;
  files += other.files;
  return *this;
}

Result<TreeSize> measure_trees(std::vector<std::string> const& folders) {
  TreeSize all;
  std::set<FileId> linked;
  for (auto const& folder : folders) {
    auto const size = Walk{folder}.run(linked);
    if (!size) return size;
    all += *size;
  }
  return all;
}

TreeSize measure_unnamed(std::vector<pid_t> const& processes,
                         std::vector<std::string> const& folders) {
  auto const devices = devices_of(folders);
  TreeSize size;
  std::set<FileId> counted;
  for (pid_t const pid : processes) {
    std::string const path = fmt::format("/proc/{}/fd", pid);
    Folder const folder{::opendir(path.c_str())};
    if (!folder) continue;  // gone, or hidden from us as a unit is from who is not root
    while (dirent const* const entry = ::readdir(folder.get())) {
      struct stat info{};
      if (::fstatat(::dirfd(folder.get()), entry->d_name, &info, 0) != 0) continue;
      if (!S_ISREG(info.st_mode) || info.st_nlink != 0 || !devices.contains(info.st_dev)) continue;
      if (!counted.emplace(info.st_dev, info.st_ino).second) continue;
      size.bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlock;
      ++size.files;
    }
  }
  return size;
}

std::uint64_t free_bytes(std::vector<std::string> const& folders) {
  std::set<dev_t> seen;
  std::uint64_t free = 0;
  for (auto const& folder : folders) {
    struct stat info{};
    struct statvfs room{};
    if (::stat(folder.c_str(), &info) != 0 || !seen.insert(info.st_dev).second) continue;
    if (::statvfs(folder.c_str(), &room) == 0)
      free += static_cast<std::uint64_t>(room.f_bfree) * room.f_frsize;
  }
  return free;
}

bool GrowthMeter::due(Millis now, std::uint64_t free) const {
  if (!start_ || now >= next_) return true;
  std::uint64_t const left = bytes_max_ - std::min(grown_, bytes_max_);
  return free < free_then_ && free_then_ - free >= left / 2;
}

std::optional<std::uint64_t> GrowthMeter::measured(Millis now, Millis took, TreeSize size,
                                                   std::uint64_t free) {
  if (!start_) start_ = size.bytes;
  grown_ = size.bytes - std::min(size.bytes, *start_);
  free_then_ = free;
  next_ = now + std::max(kPauseMin, took * kShare);
  if (grown_ <= bytes_max_) return std::nullopt;
  return grown_;
}

}  // namespace drover::sandbox
