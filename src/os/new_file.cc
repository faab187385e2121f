#include "os/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/text.h"
#include "os/fd.h"
#include "os/files.h"

namespace drover::os {

namespace {

std::string folder_of(std::string const& path) {
  auto const slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status taken_or(std::string const& path) {
  if (errno != EEXIST) return fail_errno("create", path);
  return fail(ErrorCode::conflict, "{} exists already", printable(path));
}

enum class Sync : std::uint8_t { file, none };

// For file systems without unnamed files, such as NFS.
Status create_by_link(std::string const& path, std::string_view bytes, Sync sync) {
  std::string temporary = folder_of(folder_of(path)) + "/.new-XXXXXX";
  Fd const fd{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("create a file beside", path);
  auto status = write_all(fd.get(), bytes, temporary);
  if (status && ::fchmod(fd.get(), 0644) != 0) status = fail_errno("open to all", temporary);
  if (status && sync == Sync::file && ::fsync(fd.get()) != 0)
    status = fail_errno("sync", temporary);
  if (status && ::link(temporary.c_str(), path.c_str()) != 0) status = taken_or(path);
  ::unlink(temporary.c_str());
  return status;
}

Status create(std::string const& path, std::string_view bytes, Sync sync) {
  Fd const fd{::open(folder_of(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644)};
  if (!fd.valid() && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
    return create_by_link(path, bytes, sync);
  if (!fd.valid()) return fail_errno("create a file in the folder of", path);
  DROVER_TRY(write_all(fd.get(), bytes, path));
  if (sync == Sync::file && ::fsync(fd.get()) != 0) return fail_errno("sync", path);
  // AT_EMPTY_PATH would need a capability; the magic link does not.
  std::string const unnamed = fmt::format("/proc/self/fd/{}", fd.get());
  if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0)
    return {};
  if (errno == ENOENT || errno == EXDEV) return create_by_link(path, bytes, sync);
  return taken_or(path);
}

}  // namespace

Status create_whole_file(std::string const& path, std::string_view bytes) {
  return create(path, bytes, Sync::file);
}

Status create_passing_file(std::string const& path, std::string_view bytes) {
  return create(path, bytes, Sync::none);
}

Status sync_file_system(std::string const& folder) {
  auto const opened = open_folder(folder);
  if (!opened) return std::unexpected(opened.error());
  if (::syncfs(opened->get()) != 0) return fail_errno("sync the file system of", folder);
  return {};
}

Status sync_folder(std::string const& path) {
  Fd const folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder.valid()) return fail_errno("open the folder", path);
  if (::fsync(folder.get()) != 0) return fail_errno("sync the folder", path);
  return {};
}

}  // namespace drover::os
