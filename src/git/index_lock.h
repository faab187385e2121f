#pragma once
// The lock that git programs take before they write the index: `index.lock`, made exclusively.
// Ours holds `drover <pid>` and is flocked from before it has its name, so that one left by a kill
// is told from a running holder and removed; git's own is never touched. The new index is written
// beside it and renamed.
#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"
#include "git/sync_set.h"
#include "os/fd.h"

namespace drover::git {

inline constexpr std::chrono::milliseconds kIndexLockWait{2000};

class IndexLock {
 public:
  // conflict names the file, its age and whether a process has it open, after `wait`.
  // `reference_lock` is the lock file of the reference that a holder moves: where the index lock
  // was abandoned, that one was too, unless a process has it open.
  [[nodiscard]] static Result<IndexLock> acquire(std::string const& git_folder,
                                                 std::string const& reference_lock,
                                                 std::chrono::milliseconds wait = kIndexLockWait);
  IndexLock(IndexLock&& other) noexcept;
  IndexLock& operator=(IndexLock&&) = delete;
  ~IndexLock();

  // Writes the new index beside the old; to be synced before publish().
  [[nodiscard]] Status stage(std::string_view index, SyncSet& contents);
  // Puts it in place. Durable once `names` is synced.
  [[nodiscard]] Status publish(SyncSet& names);

 private:
  IndexLock(std::string git_folder, os::Fd fd)
      : folder_(std::move(git_folder)), fd_(std::move(fd)) {}
  std::string folder_;
  os::Fd fd_;
  std::string staged_;
};

}  // namespace drover::git
