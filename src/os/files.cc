#include "os/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/text.h"
#include "base/time.h"
#include "os/process.h"

namespace drover::os {

namespace {

std::string folder_of(std::string const& path) {
  auto const slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Its size, which is 0 for files of the kernel's.
Result<std::size_t> require_regular(int fd, std::string_view name) {
  struct stat info{};
  if (fstat(fd, &info) != 0) return fail_errno("inspect", name);
  if (!S_ISREG(info.st_mode))
    return fail(ErrorCode::invalid_argument, "{} is not a regular file", printable(name));
  return static_cast<std::size_t>(info.st_size);
}

// One read at the file's position; fewer bytes than `most` where there are no more.
Result<std::string> read_some(int fd, std::string_view name, std::size_t most) {
  std::string content;
  ssize_t got = 0;
  content.resize_and_overwrite(most, [&](char* bytes, std::size_t size) {
    do
      got = ::read(fd, bytes, size);
    while (got < 0 && errno == EINTR);
    return static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  });
  if (got < 0) return fail_errno("read", name);
  return content;
}

std::unexpected<Error> over_limit(std::string_view name, std::size_t bytes_max) {
  return fail(ErrorCode::too_large, "{} is over the limit of {} bytes", printable(name), bytes_max);
}

}  // namespace

Result<std::string> read_all(int fd, std::string_view name, std::size_t bytes_max) {
  constexpr std::size_t kPiece = 65536;
  std::string content;
  for (;;) {
    auto const piece = read_some(fd, name, kPiece);
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) return content;
    content += *piece;
    if (content.size() > bytes_max) return over_limit(name, bytes_max);
  }
}

Result<std::string> read_file(std::string const& path, std::size_t bytes_max) {
  Fd const fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!fd.valid()) return fail_errno("open", path);
  auto const size = require_regular(fd.get(), path);
  if (!size) return std::unexpected(size.error());
  // Those of the kernel say 0, and some of them give nothing but to one read at their beginning.
  if (*size == 0) return read_all(fd.get(), path, bytes_max);
  // One byte more than it has: that it is not there is the end of the file. sysfs says more.
  auto content = read_some(fd.get(), path, std::min(*size, bytes_max) + 1);
  if (!content) return content;
  if (content->size() > bytes_max) return over_limit(path, bytes_max);
  if (content->size() == *size) return content;
  auto const rest = read_all(fd.get(), path, bytes_max);
  if (!rest) return std::unexpected(rest.error());
  *content += *rest;
  if (content->size() > bytes_max) return over_limit(path, bytes_max);
  return content;
}

Status write_all(int fd, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    ssize_t const written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("write", name);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status write_file_atomic(std::string const& path, std::string_view bytes, mode_t mode) {
  std::string temporary = path + ".XXXXXX";
  Fd fd{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("create a file beside", path);
  auto const abandon = [&](std::unexpected<Error> error) -> Status {
    ::unlink(temporary.c_str());
    return error;
  };
  if (auto written = write_all(fd.get(), bytes, temporary); !written)
    return abandon(std::unexpected(std::move(written).error()));
  if (::fchmod(fd.get(), mode) != 0) return abandon(fail_errno("set the mode of", temporary));
  if (::fsync(fd.get()) != 0) return abandon(fail_errno("sync", temporary));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return abandon(fail_errno("replace", path));
  Fd const folder{::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder.valid() || ::fsync(folder.get()) != 0) return fail_errno("sync the folder of", path);
  return {};
}

namespace {

// Cut to its new size last, so that its blocks are never given away meanwhile.
Status overwrite(int fd, std::string_view bytes, std::string_view name) {
  if (::lseek(fd, 0, SEEK_SET) < 0) return fail_errno("write", name);
  DROVER_TRY(write_all(fd, bytes, name));
  if (::ftruncate(fd, static_cast<off_t>(bytes.size())) != 0) return fail_errno("cut", name);
  return {};
}

}  // namespace

Status overwrite_file(std::string const& path, std::string_view bytes) {
  Fd const fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd.valid()) return fail_errno("open", path);
  return overwrite(fd.get(), bytes, path);
}

Result<Fd> open_beneath(int folder_fd, std::string const& relative, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    long const fd = ::syscall(SYS_openat2, folder_fd, relative.c_str(), &how, sizeof how);
    if (fd >= 0) return Fd{static_cast<int>(fd)};
    if (errno != EINTR && errno != EAGAIN) return fail_errno("open", printable(relative));
  }
}

Result<Fd> open_regular_beneath(int folder_fd, std::string const& relative) {
  auto fd = open_beneath(folder_fd, relative, O_RDONLY);
  if (!fd) return fd;
  struct stat info{};
  if (fstat(fd->get(), &info) != 0) return fail_errno("inspect", printable(relative));
  if (!S_ISREG(info.st_mode))
    return fail(ErrorCode::invalid_argument, "{} is not a regular file", printable(relative));
  if (info.st_nlink > 1)
    return fail(ErrorCode::forbidden, "{} has {} hard links; a link may lead out of the folder",
                printable(relative), info.st_nlink);
  return fd;
}

Result<Fd> open_folder(std::string const& path) {
  Fd fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("open the folder", path);
  return fd;
}

Status make_folders(std::string const& path, mode_t mode) {
  for (std::size_t slash = 0; slash != std::string::npos;) {
    slash = path.find('/', slash + 1);
    std::string const part = path.substr(0, slash);
    if (part.empty() || ::mkdir(part.c_str(), mode) == 0 || errno == EEXIST) continue;
    return fail_errno("create the folder", part);
  }
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return fail_errno("inspect", path);
  if (!S_ISDIR(info.st_mode))
    return fail(ErrorCode::conflict, "{} exists and is not a folder", printable(path));
  return {};
}

Status remove_tree(std::string const& path) {
  // Somebody else may be removing it too, who takes away what was just seen: less is left each
  // time.
  constexpr int kTries = 10'000;
  std::error_code error;
  for (int tried = 0; tried < kTries; ++tried) {
    std::filesystem::remove_all(path, error);
    if (error != std::errc::no_such_file_or_directory) break;
  }
  if (error) return std::unexpected(system_error(error.value(), "remove", path));
  return {};
}

bool exists(std::string const& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

Result<std::string> real_path(std::string const& path) {
  char* const resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return fail_errno("find", path);
  std::string result{resolved};
  std::free(resolved);  // NOLINT: realpath allocates with malloc
  return result;
}

Result<std::string> executable_folder() {
  auto path = real_path("/proc/self/exe");
  if (!path) return path;
  return folder_of(*path);
}

namespace {

constexpr Millis kHeirsWait{5'000};
constexpr Millis kHeirsLook{5};

// Whether the process that wrote its pid has ended. A child of its that has not called execve yet
// shares the lock and goes on holding it for a moment.
bool has_ended(std::string_view holder) {
  pid_t pid = 0;
  auto const [end, error] = std::from_chars(holder.data(), holder.data() + holder.size(), pid);
  if (error != std::errc{} || end != holder.data() + holder.size()) return false;
  auto const process = open_process(pid);
  if (!process) return process.error().code == ErrorCode::not_found;
  return wait_gone(process->get(), Millis{0}).value_or(false);
}

}  // namespace

Result<FileLock> FileLock::acquire(std::string const& path) {
  Fd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!fd.valid()) return fail_errno("open the lock", path);
  auto const deadline = std::chrono::steady_clock::now() + kHeirsWait;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno("lock", path);
    auto const holder = read_file(path, 64);
    std::string_view const pid = holder ? trim(*holder) : std::string_view{"?"};
    if (!has_ended(pid) || std::chrono::steady_clock::now() > deadline)
      return fail(ErrorCode::conflict, "{} is held by process {}", path, pid);
    std::this_thread::sleep_for(kHeirsLook);
  }
  std::string const pid = std::to_string(::getpid()) + "\n";
  DROVER_TRY(overwrite(fd.get(), pid, path));
  return FileLock{std::move(fd)};
}

}  // namespace drover::os
