#pragma once
// Files: whole reads with a bound, atomic durable writes, opens that cannot leave a folder, locks.
// All calls block; the event loop uses them through the BlockingPool.
#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "os/fd.h"

namespace drover::os {

// A regular file, whole. too_large above `bytes_max`; a FIFO, socket or device is refused without
// blocking.
[[nodiscard]] Result<std::string> read_file(std::string const& path,
                                            std::size_t bytes_max = std::size_t{16} << 20U);
// Reads what is left of an open file, up to `bytes_max`.
[[nodiscard]] Result<std::string> read_all(int fd, std::string_view name, std::size_t bytes_max);
[[nodiscard]] Status write_all(int fd, std::string_view bytes, std::string_view name);

// Writes beside `path`, syncs the file, renames over it and syncs the folder: after a crash there
// is the old content or the new.
[[nodiscard]] Status write_file_atomic(std::string const& path, std::string_view bytes,
                                       mode_t mode = 0644);

// Over the bytes of a file that is there, in place, and so also on a full disk while `bytes` need
// no further block. Not atomic, not synced.
[[nodiscard]] Status overwrite_file(std::string const& path, std::string_view bytes);

// openat2 with RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS: a hostile tree cannot lead out of
// `folder_fd`. Adds O_CLOEXEC | O_NONBLOCK | O_NOCTTY.
[[nodiscard]] Result<Fd> open_beneath(int folder_fd, std::string const& relative, int flags,
                                      mode_t mode = 0);
// The same, and refuses all but regular files with one link.
[[nodiscard]] Result<Fd> open_regular_beneath(int folder_fd, std::string const& relative);

[[nodiscard]] Result<Fd> open_folder(std::string const& path);
// Creates missing parents too.
[[nodiscard]] Status make_folders(std::string const& path, mode_t mode = 0755);
// Removes a tree without following links; a missing one is no error.
// Gone is gone, whoever else removes it at the same time.
[[nodiscard]] Status remove_tree(std::string const& path);
[[nodiscard]] bool exists(std::string const& path);
[[nodiscard]] Result<std::string> real_path(std::string const& path);
// The folder of the running executable.
[[nodiscard]] Result<std::string> executable_folder();

// An exclusive flock on a file that holds its owner's pid; released with the object or the process.
class FileLock {
 public:
  // conflict, naming the holder's pid, when another process has it. Of one that was killed its
  // unfinished children may have it for a moment: that is waited for, up to 5 s.
  [[nodiscard]] static Result<FileLock> acquire(std::string const& path);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace drover::os
