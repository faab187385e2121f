// A loose reference is `<40 hex>\n`. A reflog entry is
//   <old> <new> <name> <<email>> <seconds> +0000\t<message>\n
// with forty zeros for a side that is not there (gitrepository-layout(5), git-reflog(1)).
#include "git/head_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/text.h"
#include "git/commit_object.h"
#include "git/handles.h"
#include "os/files.h"

namespace drover::git {

namespace {

std::string reference_name(Head const& head) {
  return head.branch.empty() ? "HEAD" : "refs/heads/" + head.branch;
}

// HEAD is a work tree's own; branches are common to all.
std::string reference_path(Repository::Impl const& impl, Head const& head) {
  if (head.branch.empty()) return impl.git_folder + "/HEAD";
  return impl.common_folder + "/" + reference_name(head);
}

std::string parent_of(std::string const& path) {
  return path.substr(0, path.rfind('/'));
}

// core.logAllRefUpdates: unless it says false, a repository with a work tree logs these.
bool creates_reflogs(Repository::Impl const& impl) {
  int wanted = 0;
  char const* const key = "core.logallrefupdates";
  if (git_config_get_bool(&wanted, impl.config.get(), key) == 0) return wanted != 0;
  return true;  // unset, or "always"
}

}  // namespace

std::string head_lock_path(Repository::Impl const& impl, Head const& head) {
  return reference_path(impl, head) + ".lock";
}

Result<HeadLock> HeadLock::acquire(Repository::Impl const& impl, Head const& head,
                                   std::optional<Oid> const& expected) {
  std::string const name = reference_name(head);
  std::string const path = reference_path(impl, head);
  // A branch that is only in packed-refs has no folder.
  DROVER_TRY(os::make_folders(parent_of(path)));
  std::string const lock_path = path + ".lock";
  os::Fd const fd{
      ::open(lock_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666)};
  if (!fd.valid() && errno == EEXIST)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the reference {} of {} is locked", name, impl.work_tree),
                     fmt::format("if no git command runs in this workspace, remove the lock: rm "
                                 "'{}'",
                                 printable(lock_path, 300)));
  if (!fd.valid()) return fail_errno("lock the reference with", lock_path);
  HeadLock lock{impl, name, path, expected.value_or(Oid{})};
  DROVER_TRY(lock.check_target(expected));
  return lock;
}

HeadLock::HeadLock(HeadLock&& other) noexcept
    : impl_(other.impl_),
      name_(std::move(other.name_)),
      path_(std::exchange(other.path_, {})),
      from_(other.from_),
      to_(other.to_) {}

HeadLock::~HeadLock() {
  if (!path_.empty()) ::unlink((path_ + ".lock").c_str());
}

Status HeadLock::check_target(std::optional<Oid> const& expected) const {
  if (os::exists(path_)) {
    auto const content = read_small_file(path_);
    if (!content) return std::unexpected(content.error());
    if (name_ != "HEAD" && content->starts_with("ref:"))
      return fail_next(
          ErrorCode::unsupported,
          fmt::format("{} of {} stands for another reference", name_, impl_->work_tree),
          "check out a branch of its own, and try again");
  }
  git_oid now{};
  int const status = git_reference_name_to_id(&now, impl_->handle.get(), name_.c_str());
  if (status < 0 && status != GIT_ENOTFOUND) return fail_git(status, "read the reference", name_);
  bool const exists = status == 0;
  if (exists == expected.has_value() && (!exists || from_git(now) == *expected)) return {};
  return fail_next(ErrorCode::conflict,
                   fmt::format("{} of {} is at {}, not at {} as expected", name_, impl_->work_tree,
                               exists ? from_git(now).hex() : "no commit",
                               expected ? expected->hex() : "no commit"),
                   "somebody committed meanwhile; look at `git log`, then try again");
}

Status HeadLock::stage(Oid const& commit, SyncSet& contents) {
  std::string const path = path_ + ".lock";
  os::Fd fd{::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd.valid()) return fail_errno("write", path);
  DROVER_TRY(os::write_all(fd.get(), commit.hex() + "\n", path));
  contents.add(std::move(fd));
  to_ = commit;
  return {};
}

Status HeadLock::append_reflog(std::string const& path, std::string const& line,
                               SyncSet& names) const {
  int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
  if (creates_reflogs(*impl_)) {
    flags |= O_CREAT;
    DROVER_TRY(os::make_folders(parent_of(path)));
  }
  os::Fd fd{::open(path.c_str(), flags, 0666)};
  if (!fd.valid() && errno == ENOENT) return {};
  if (!fd.valid()) return fail_errno("write the reflog", path);
  DROVER_TRY(os::write_all(fd.get(), line, path));
  names.add(std::move(fd));
  return {};
}

Status HeadLock::publish(Identity const& who, WallTime when, std::string const& reflog_message,
                         SyncSet& names) {
  auto const signature = format_identity(who, when);
  if (!signature) return std::unexpected(signature.error());
  std::string const line = fmt::format("{} {} {}\t{}\n", from_.hex(), to_.hex(), *signature,
                                       clean_subject(reflog_message));
  DROVER_TRY(append_reflog(impl_->git_folder + "/logs/HEAD", line, names));
  if (name_ != "HEAD")
    DROVER_TRY(append_reflog(impl_->common_folder + "/logs/" + name_, line, names));
  if (::rename((path_ + ".lock").c_str(), path_.c_str()) != 0)
    return fail_errno("move the reference", path_);
  std::string const folder = parent_of(std::exchange(path_, {}));
  return names.add_folder(folder);
}

}  // namespace drover::git
