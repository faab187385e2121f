#include "git/sync_set.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>

#include "os/files.h"

namespace drover::git {

namespace {

Status sync_side_by_side(std::vector<os::Fd> const& files, std::string_view what) {
  constexpr std::size_t kThreadsMax = 8;
  std::atomic<std::size_t> next{0};
  std::atomic<int> failed{0};
  auto const work = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++) {
      if (::fsync(files[i].get()) != 0) failed = errno;
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < std::min(files.size(), kThreadsMax); ++i)
      helpers.emplace_back(work);
    work();
  }
  if (failed != 0) return std::unexpected(system_error(failed, "sync", what));
  return {};
}

}  // namespace

void SyncSet::add(os::Fd file) {
  files_.push_back(std::move(file));
}

Status SyncSet::add_folder(std::string const& path) {
  if (std::ranges::find(folders_, path) != folders_.end()) return {};
  auto folder = os::open_folder(path);
  if (!folder) return std::unexpected(std::move(folder).error());
  files_.push_back(std::move(*folder));
  folders_.push_back(path);
  return {};
}

void SyncSet::add_file_system_of(std::string path) {
  file_system_ = std::move(path);
}

Status SyncSet::sync(std::string_view what) {
  if (!file_system_.empty()) {
    auto const fd = os::open_folder(file_system_);
    if (!fd) return std::unexpected(fd.error());
    if (::syncfs(fd->get()) != 0) return fail_errno("sync the file system of", file_system_);
  }
  DROVER_TRY(sync_side_by_side(files_, what));
  files_.clear();
  folders_.clear();
  file_system_.clear();
  return {};
}

}  // namespace drover::git
