#include "backup/tree_copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "backup/sparse_file.h"
#include "backup/state_files.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::backup {

namespace {

// A file up to this size is read whole before its length is written.
constexpr std::uint64_t kInMemoryBytesMax = std::uint64_t{1} << 20U;
constexpr std::size_t kPieceBytes = std::size_t{256} << 10U;

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

std::int64_t mtime_ns(struct stat const& info) {
  return info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
}

Entry entry_of(std::string const& path, EntryKind kind, struct stat const& info) {
  Entry entry;
  entry.path = path;
  entry.kind = kind;
  entry.mode = info.st_mode & kModeMask;
  if (kind != EntryKind::folder) entry.mtime_ns = mtime_ns(info);
  return entry;
}

// One name, which no link can lead elsewhere and no FIFO can hold up. errno says what failed.
os::Fd open_name(int folder_fd, std::string const& name, int flags) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  return os::Fd{::openat(folder_fd, name.c_str(), kFlags | flags)};
}

// Folder by folder; "" is the top itself.
os::Fd open_by_names(int top_fd, std::string const& path) {
  os::Fd folder = open_name(top_fd, ".", O_DIRECTORY);
  for (std::string_view const name : split(path, '/'))
    if (!name.empty() && folder.valid())
      folder = open_name(folder.get(), std::string{name}, O_DIRECTORY);
  return folder;
}

// Sorted as the archive is.
Result<std::vector<std::string>> names_in(os::Fd folder, std::string const& path) {
  std::unique_ptr<DIR, CloseFolder> const listing{::fdopendir(folder.get())};
  if (listing == nullptr) return fail_errno("list", path);
  (void)folder.release();
  std::vector<std::string> names;
  errno = 0;
  while (dirent const* const found = ::readdir(listing.get())) {
    std::string_view const name{found->d_name};
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return fail_errno("list", path);
  std::ranges::sort(names, comes_before);
  return names;
}

// At most `bytes_max` from where the file stands.
Result<std::size_t> read_piece(int fd, char* into, std::size_t bytes_max, std::string_view name) {
  for (;;) {
    ssize_t const got = ::read(fd, into, bytes_max);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail_errno("read", printable(name));
  }
}

}  // namespace

Status TreeCopy::check_abort() const {
  if (options_.abort != nullptr && options_.abort->load())
    return fail(ErrorCode::cancelled, "the backup was interrupted");
  return {};
}

Status TreeCopy::excuse(int errno_value, std::string_view operation, std::string const& path) {
  // Beside ENOENT: it is another kind of thing than it was a moment ago.
  for (int const gone : {ENOENT, ELOOP, ENOTDIR, ENXIO, ESTALE})
    if (errno_value == gone) {
      ++left_out_.vanished;
      return {};
    }
  if ((errno_value == EACCES || errno_value == EPERM) && is_of_agents(path)) {
    ++left_out_.unreadable;
    return {};
  }
  return std::unexpected(system_error(errno_value, operation, printable(path)));
}

void TreeCopy::note_change(int fd, std::uint64_t copied, struct stat const& before) {
  struct stat after{};
  bool const same = ::fstat(fd, &after) == 0 && after.st_size == before.st_size &&
                    mtime_ns(after) == mtime_ns(before) &&
                    copied == static_cast<std::uint64_t>(before.st_size);
  if (!same) ++left_out_.changed;
}

Result<LeftOut> TreeCopy::run() {
  auto const top = os::open_folder(options_.folder);
  if (!top) return std::unexpected(top.error());
  DROVER_TRY(enter(top->get(), ".", ""));
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    if (frame.next == frame.names.size()) {
      frames_.pop_back();
      continue;
    }
    // By its path each time: a descriptor a level would let a deep tree use up all there are.
    auto const folder = open_by_names(top->get(), frame.path);
    if (folder.valid()) {
      DROVER_TRY(go_on(folder.get()));
      continue;
    }
    DROVER_TRY(excuse(errno, "open", frame.path));
    frames_.pop_back();
  }
  return left_out_;
}

Status TreeCopy::go_on(int folder_fd) {
  std::size_t const level = frames_.size();
  while (frames_.size() == level && frames_.back().next < frames_.back().names.size()) {
    DROVER_TRY(check_abort());
    Frame& frame = frames_.back();
    std::string const name = frame.names[frame.next++];
    std::string const path = frame.path.empty() ? name : frame.path + "/" + name;
    if (!is_left_out(path)) DROVER_TRY(copy(folder_fd, name, path));
  }
  return {};
}

Status TreeCopy::enter(int folder_fd, std::string const& name, std::string const& path) {
  os::Fd folder = open_name(folder_fd, name, O_DIRECTORY);
  if (!folder.valid()) return excuse(errno, "open", path);
  auto names = names_in(std::move(folder), path);
  if (!names) return std::unexpected(names.error());
  frames_.push_back({path, *std::move(names), 0});
  return {};
}

Status TreeCopy::copy(int folder_fd, std::string const& name, std::string const& path) {
  if (path.size() > kPathBytesMax) {
    ++left_out_.too_large;
    return {};
  }
  // Whatever stands there, the copy of the store stands for it; the user may have linked it
  // elsewhere.
  if (path == kStoreName && options_.store_fd >= 0) return copy_file(folder_fd, name, path);
  struct stat info{};
  if (::fstatat(folder_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return excuse(errno, "inspect", path);
  switch (info.st_mode & S_IFMT) {
    case S_IFREG:
      return copy_file(folder_fd, name, path);
    case S_IFDIR:
      return copy_folder(folder_fd, name, path, info);
    case S_IFLNK:
      return copy_link(folder_fd, name, path, info);
    default:
      ++left_out_.special;
      return {};
  }
}

Status TreeCopy::copy_folder(int folder_fd, std::string const& name, std::string const& path,
                             struct stat const& info) {
  DROVER_TRY(archive_->begin(entry_of(path, EntryKind::folder, info)));
  return enter(folder_fd, name, path);
}

Status TreeCopy::copy_link(int folder_fd, std::string const& name, std::string const& path,
                           struct stat const& info) {
  std::array<char, kTargetBytesMax + 1> target{};
  ssize_t const length = ::readlinkat(folder_fd, name.c_str(), target.data(), target.size());
  // EINVAL: no link any more.
  if (length < 0) return excuse(errno == EINVAL ? ENOENT : errno, "read the link", path);
  Entry entry = entry_of(path, EntryKind::symlink, info);
  entry.target.assign(target.data(), static_cast<std::size_t>(length));
  return archive_->begin(entry);
}

Status TreeCopy::copy_file(int folder_fd, std::string const& name, std::string const& path) {
  os::Fd opened;
  int fd = options_.store_fd;
  if (path != kStoreName || fd < 0) {
    opened = open_name(folder_fd, name, 0);
    if (!opened.valid()) return excuse(errno, "open", path);
    fd = opened.get();
  }
  struct stat info{};
  if (::fstat(fd, &info) != 0) return fail_errno("inspect", printable(path));
  if (!S_ISREG(info.st_mode)) {
    ++left_out_.special;
    return {};
  }
  Entry entry = entry_of(path, EntryKind::file, info);
  entry.size = static_cast<std::uint64_t>(info.st_size);
  // The copy of the store changes no more.
  if (fd == options_.store_fd) {
    DROVER_TRY(archive_->begin(entry));
    return write_all_of(fd, entry);
  }
  if (entry.size > kFileBytesMax) {
    ++left_out_.too_large;
    return {};
  }
  if (entry.size > kInMemoryBytesMax) return copy_large(fd, std::move(entry), info);
  return copy_content(fd, std::move(entry), info);
}

Status TreeCopy::copy_content(int fd, Entry entry, struct stat const& before) {
  std::string content(entry.size, '\0');
  std::size_t at = 0;
  while (at < content.size()) {
    auto const got = read_piece(fd, content.data() + at, content.size() - at, entry.path);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    at += *got;
  }
  content.resize(at);
  note_change(fd, at, before);
  entry.size = at;
  DROVER_TRY(archive_->begin(entry));
  return archive_->write(content);
}

// An entry begins with its length, which a file that is being written does not have.
Status TreeCopy::copy_large(int fd, Entry entry, struct stat const& before) {
  auto spool = SparseFile::unnamed(options_.spool_folder);
  if (!spool) return std::unexpected(spool.error());
  std::vector<char> piece(kPieceBytes);
  while (spool->size() < entry.size) {
    DROVER_TRY(check_abort());
    auto const wanted = std::min<std::uint64_t>(piece.size(), entry.size - spool->size());
    auto const got = read_piece(fd, piece.data(), wanted, entry.path);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    DROVER_TRY(spool->write({piece.data(), *got}));
  }
  DROVER_TRY(spool->finish());
  note_change(fd, spool->size(), before);
  entry.size = spool->size();
  DROVER_TRY(archive_->begin(entry));
  if (::lseek(spool->fd(), 0, SEEK_SET) != 0) return fail_errno("read", options_.spool_folder);
  return write_all_of(spool->fd(), entry);
}

// Of a file that does not change.
Status TreeCopy::write_all_of(int fd, Entry const& entry) {
  std::vector<char> piece(kPieceBytes);
  for (std::uint64_t left = entry.size; left > 0;) {
    DROVER_TRY(check_abort());
    auto const got =
        read_piece(fd, piece.data(), std::min<std::uint64_t>(piece.size(), left), entry.path);
    if (!got) return std::unexpected(got.error());
    if (*got == 0)
      return fail(ErrorCode::internal, "the copy of {} became shorter", printable(entry.path));
    DROVER_TRY(archive_->write({piece.data(), *got}));
    left -= *got;
  }
  return {};
}

}  // namespace drover::backup
