#pragma once
// The reference that HEAD stands for, moved as git's files backend moves it: `<ref>.lock` made
// exclusively, the reflogs, a rename. Our own, because libgit2 waits for the disk three times where
// a commit can wait once for all that it writes.
// Internal to the layer. Not thread-safe.
#include <optional>
#include <string>

#include "git/repository_impl.h"
#include "git/sync_set.h"

namespace drover::git {

// The lock file of the reference that HEAD stands for.
[[nodiscard]] std::string head_lock_path(Repository::Impl const& impl, Head const& head);

// While it lives, nobody moves the reference.
class HeadLock {
 public:
  // conflict when it is locked, or not at `expected` (nullopt: unborn). `impl` must outlive it.
  [[nodiscard]] static Result<HeadLock> acquire(Repository::Impl const& impl, Head const& head,
                                                std::optional<Oid> const& expected);
  HeadLock(HeadLock&& other) noexcept;
  HeadLock& operator=(HeadLock&&) = delete;
  ~HeadLock();

  // Writes where it goes; to be synced before publish().
  [[nodiscard]] Status stage(Oid const& commit, SyncSet& contents);
  // Appends to the reflogs, and moves it. Durable once `names` is synced.
  [[nodiscard]] Status publish(Identity const& who, WallTime when,
                               std::string const& reflog_message, SyncSet& names);

 private:
  HeadLock(Repository::Impl const& impl, std::string name, std::string path, Oid from)
      : impl_(&impl), name_(std::move(name)), path_(std::move(path)), from_(from) {}
  [[nodiscard]] Status check_target(std::optional<Oid> const& expected) const;
  [[nodiscard]] Status append_reflog(std::string const& path, std::string const& line,
                                     SyncSet& names) const;

  Repository::Impl const* impl_;
  std::string name_;
  std::string path_;  // of the reference; empty when moved from
  Oid from_, to_;     // from_ is zero when unborn
};

}  // namespace drover::git
