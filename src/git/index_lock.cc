#include "git/index_lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <thread>

#include "base/text.h"
#include "os/files.h"

namespace drover::git {

namespace {

using std::chrono::steady_clock;

constexpr std::string_view kMark = "drover ";
constexpr std::chrono::milliseconds kPoll{10};

bool same_inode(int fd, std::string const& path) {
  struct stat held{};
  struct stat named{};
  return ::fstat(fd, &held) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

// The process that has the file open; a snapshot for the error message only.
std::optional<std::string> holder_of(std::string const& path) {
  std::error_code error;
  auto const end = std::filesystem::directory_iterator{};
  for (std::filesystem::directory_iterator process{"/proc", error}; !error && process != end;
       process.increment(error)) {
    std::string const pid = process->path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::error_code gone;
    for (std::filesystem::directory_iterator fd{process->path() / "fd", gone}; !gone && fd != end;
         fd.increment(gone)) {
      std::error_code unreadable;
      if (std::filesystem::read_symlink(fd->path(), unreadable) == path) return pid;
    }
  }
  return std::nullopt;
}

// Removes a lock of ours whose holder is dead, and before it the reference lock that died with it:
// a kill in between leaves the mark by which the next one finds both. The flock makes sure that
// only one remover acts.
bool remove_if_abandoned(std::string const& path, std::string const& reference_lock) {
  os::Fd const fd{::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)};
  if (!fd.valid() || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return false;
  auto const content = os::read_all(fd.get(), path, 4096);
  if (!content || !content->starts_with(kMark) || !same_inode(fd.get(), path)) return false;
  // The index lock kept everybody else from committing meanwhile.
  if (os::exists(reference_lock) && !holder_of(reference_lock)) ::unlink(reference_lock.c_str());
  return ::unlink(path.c_str()) == 0;
}

std::unexpected<Error> locked(std::string const& path) {
  struct stat info{};
  long age_s = 0;
  if (::lstat(path.c_str(), &info) == 0) age_s = ::time(nullptr) - info.st_mtim.tv_sec;
  auto const holder = holder_of(path);
  if (holder)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the git index is locked by process {}, which has {} open",
                                 *holder, printable(path, 300)),
                     "wait until that process has ended, and try again");
  return fail_next(
      ErrorCode::conflict,
      fmt::format("the git index is locked by {}, {} s old; no running process has it open",
                  printable(path, 300), age_s),
      fmt::format("if no git command runs in this workspace, remove it: rm '{}'",
                  printable(path, 300)));
}

// The lock file before it has its name: marked and flocked first, so that a kill at no moment
// leaves an index.lock that cannot be told from git's own.
class MarkedFile {
 public:
  static Result<MarkedFile> create(std::string const& folder) {
    MarkedFile file;
    file.path_ = folder + "/drover-lock.XXXXXX";
    file.fd_ = os::Fd{::mkostemp(file.path_.data(), O_CLOEXEC)};
    if (!file.fd_.valid()) return fail_errno("lock the git index in", folder);
    if (::flock(file.fd_.get(), LOCK_EX | LOCK_NB) != 0) return fail_errno("lock", file.path_);
    DROVER_TRY(os::write_all(file.fd_.get(), fmt::format("{}{}\n", kMark, ::getpid()), file.path_));
    return file;
  }
  MarkedFile(MarkedFile&&) = default;
  MarkedFile& operator=(MarkedFile&&) = delete;
  ~MarkedFile() {
    if (fd_.valid()) ::unlink(path_.c_str());
  }
  // errno is EEXIST when somebody has the lock.
  bool rename_to(std::string const& path) const {
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0)
      return true;
    // File systems without that flag (NFS) have links.
    if (errno != EINVAL || ::link(path_.c_str(), path.c_str()) != 0) return false;
    ::unlink(path_.c_str());
    return true;
  }
  os::Fd take() { return std::move(fd_); }

 private:
  MarkedFile() = default;
  std::string path_;
  os::Fd fd_;
};

}  // namespace

Result<IndexLock> IndexLock::acquire(std::string const& git_folder,
                                     std::string const& reference_lock,
                                     std::chrono::milliseconds wait) {
  std::string const path = git_folder + "/index.lock";
  auto marked = MarkedFile::create(git_folder);
  if (!marked) return std::unexpected(std::move(marked).error());
  auto const deadline = steady_clock::now() + wait;
  for (;;) {
    if (marked->rename_to(path)) return IndexLock{git_folder, marked->take()};
    if (errno != EEXIST) return fail_errno("lock the git index with", path);
    if (remove_if_abandoned(path, reference_lock)) continue;
    if (steady_clock::now() >= deadline) return locked(path);
    std::this_thread::sleep_for(kPoll);
  }
}

IndexLock::IndexLock(IndexLock&& other) noexcept
    : folder_(std::move(other.folder_)),
      fd_(std::move(other.fd_)),
      staged_(std::move(other.staged_)) {
  other.staged_.clear();
}

IndexLock::~IndexLock() {
  if (!fd_.valid()) return;
  if (!staged_.empty()) ::unlink(staged_.c_str());
  ::unlink((folder_ + "/index.lock").c_str());
}

Status IndexLock::stage(std::string_view index, SyncSet& contents) {
  // A fixed name: the lock allows one writer, and a leftover is simply overwritten.
  std::string const path = folder_ + "/index.drover";
  os::Fd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644)};
  if (!fd.valid()) return fail_errno("create", path);
  staged_ = path;
  DROVER_TRY(os::write_all(fd.get(), index, path));
  contents.add(std::move(fd));
  return {};
}

Status IndexLock::publish(SyncSet& names) {
  std::string const path = folder_ + "/index";
  if (::rename(staged_.c_str(), path.c_str()) != 0) return fail_errno("replace", path);
  staged_.clear();
  return names.add_folder(folder_);
}

}  // namespace drover::git
