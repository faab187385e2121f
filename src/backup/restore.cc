#include "backup/restore.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>

#include "backup/archive_reader.h"
#include "backup/extract.h"
#include "backup/own_folder.h"
#include "backup/state_files.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::backup {

namespace {

constexpr std::size_t kRecordBytesMax = std::size_t{1} << 20U;

// The folder that is to be there afterwards, and what is there now.
struct Place {
  std::string path;    // without links, so that a rename moves the folder and no link to it
  std::string parent;  // exists
  bool exists = false;
  bool empty = true;
};

std::unexpected<Error> mount_point(std::string const& path) {
  return fail_next(ErrorCode::unsupported,
                   fmt::format("the state folder {} is a mount point, which cannot be exchanged "
                               "for another folder at once",
                               printable(path)),
                   "set DROVER_STATE_DIR to a folder inside it");
}

Result<Place> look_at(std::string const& folder) {
  Place place;
  place.path = folder;
  struct stat info{};
  place.exists = ::stat(folder.c_str(), &info) == 0;
  if (!place.exists && errno != ENOENT) return fail_errno("inspect", printable(folder));
  if (place.exists && !S_ISDIR(info.st_mode))
    return fail(ErrorCode::conflict, "{} exists and is not a folder", printable(folder));
  if (place.exists) {
    auto real = os::real_path(folder);
    if (!real) return std::unexpected(real.error());
    place.path = *std::move(real);
    std::error_code error;
    place.empty = std::filesystem::is_empty(place.path, error);
    if (error) return std::unexpected(system_error(error.value(), "list", printable(folder)));
  }
  place.parent = place.path.substr(0, std::max<std::size_t>(place.path.rfind('/'), 1));
  DROVER_TRY(os::make_folders(place.parent, 0700));
  struct stat above{};
  if (::stat(place.parent.c_str(), &above) != 0) return fail_errno("inspect", place.parent);
  if (place.exists && above.st_dev != info.st_dev) return mount_point(place.path);
  return place;
}

// Held until the new state is there, so that no server starts on the old one.
Result<std::optional<os::FileLock>> keep_servers_out(Place const& place, Occupied occupied) {
  std::string const path = place.path + "/server.lock";
  // Making the file would be a change of a folder that stays as it is.
  bool const look = os::exists(path) || (occupied == Occupied::replace && !place.empty);
  if (!look) return std::nullopt;
  auto lock = os::FileLock::acquire(path);
  if (lock) return std::optional<os::FileLock>{*std::move(lock)};
  if (lock.error().code != ErrorCode::conflict) return std::unexpected(lock.error());
  return fail_next(
      ErrorCode::conflict,
      fmt::format("a drover server uses {} ({})", printable(place.path), lock.error().message),
      "stop it with drover down, or set DROVER_STATE_DIR");
}

Status sync_all(std::string const& folder) {
  auto const fd = os::open_folder(folder);
  if (!fd) return std::unexpected(fd.error());
  if (::syncfs(fd->get()) != 0) return fail_errno("sync", printable(folder));
  return {};
}

std::unexpected<Error> not_renamed(int errno_value, Place const& place) {
  if (errno_value == EBUSY || errno_value == EXDEV) return mount_point(place.path);
  if (errno_value == ENOTEMPTY || errno_value == EEXIST)
    return fail_next(ErrorCode::conflict,
                     fmt::format("something was written into {} meanwhile", printable(place.path)),
                     "look whether a server was started there, and restore again");
  if (errno_value == EINVAL || errno_value == ENOSYS)
    return fail_next(ErrorCode::unsupported,
                     fmt::format("the file system of {} cannot exchange two folders at once",
                                 printable(place.path)),
                     "move the state folder aside by hand, and restore without --replace");
  return std::unexpected(system_error(errno_value, "put the new state at", place.path));
}

// Into a place that is free: a rename onto an empty folder replaces it.
Status move_in(OwnFolder& fresh, Place const& place) {
  if (::rename(fresh.path().c_str(), place.path.c_str()) != 0) return not_renamed(errno, place);
  fresh.keep();
  return sync_all(place.parent);
}

// The new state takes the name that the old one is to have, and then both exchange theirs.
Result<std::string> exchange(OwnFolder& fresh, Place const& place, WallTime now) {
  std::string time = to_rfc3339(now);
  std::erase_if(time, [](char c) { return c == '-' || c == ':' || c == '.'; });
  std::string const aside = fmt::format("{}.before-restore-{}", place.path, time);
  if (os::exists(aside)) return fail(ErrorCode::conflict, "{} exists already", printable(aside));
  DROVER_TRY(fresh.rename(aside));
  if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, place.path.c_str(), RENAME_EXCHANGE) != 0)
    return not_renamed(errno, place);
  fresh.keep();
  DROVER_TRY(sync_all(place.parent));
  return aside;
}

// Units of a server that was killed may still be there, and only these records say which: whoever
// starts next on the new state is to end them before it starts its own.
Status keep_workload_records(std::string const& from, std::string const& into) {
  std::error_code error;
  std::filesystem::directory_iterator const records{from, error};
  if (error == std::errc::no_such_file_or_directory) return {};
  if (error) return std::unexpected(system_error(error.value(), "list", printable(from)));
  DROVER_TRY(os::make_folders(into, 0700));
  for (auto const& record : records) {
    std::string const name = record.path().filename().string();
    auto const text = os::read_file(record.path().string(), kRecordBytesMax);
    if (!text) return std::unexpected(text.error());
    DROVER_TRY(os::write_file_atomic(fmt::format("{}/{}", into, name), *text, 0600));
  }
  return {};
}

Result<Manifest> unpack(RestoreOptions const& options, std::string const& folder) {
  os::Fd const fd{::open(options.file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (!fd.valid()) return fail_errno("open", printable(options.file));
  auto reader = ArchiveReader::open_fd(fd.get(), options.file);
  if (!reader) return std::unexpected(reader.error());
  auto manifest = extract(*reader, {.folder = folder,
                                    .what = Extract::everything,
                                    .known = options.known,
                                    .abort = options.abort});
  if (!manifest) return manifest;
  return manifest;
}

}  // namespace

Result<Restored> restore(RestoreOptions const& options, Clock const& clock) {
  auto const place = look_at(options.state_folder);
  if (!place) return std::unexpected(place.error());
  auto const lock = keep_servers_out(*place, options.occupied);
  if (!lock) return std::unexpected(lock.error());
  if (!place->empty && options.occupied == Occupied::refuse)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the state folder {} is not empty", printable(place->path)),
                     "add --replace to move it aside, or set DROVER_STATE_DIR");
  auto fresh = OwnFolder::make(place->path + ".restoring-XXXXXX");
  if (!fresh) return std::unexpected(fresh.error());
  auto manifest = unpack(options, fresh->path());
  if (!manifest) return std::unexpected(manifest.error());
  DROVER_TRY(keep_workload_records(fmt::format("{}/{}", place->path, kWorkloadRecords),
                                   fmt::format("{}/{}", fresh->path(), kWorkloadRecords)));
  DROVER_TRY(sync_all(fresh->path()));
  Restored restored;
  restored.manifest = *std::move(manifest);
  if (place->empty) {
    DROVER_TRY(move_in(*fresh, *place));
    return restored;
  }
  auto aside = exchange(*fresh, *place, clock.now());
  if (!aside) return std::unexpected(aside.error());
  restored.moved_aside = *std::move(aside);
  return restored;
}

}  // namespace drover::backup
