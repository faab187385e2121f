#include "backup/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "backup/archive_reader.h"
#include "backup/archive_writer.h"
#include "backup/extract.h"
#include "backup/own_folder.h"
#include "backup/tree_copy.h"
#include "base/log.h"
#include "base/text.h"
#include "os/files.h"
#include "store/database.h"

namespace drover::backup {

namespace {

std::string folder_of(std::string const& path) {
  auto const slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A file with a name that is taken away unless it is renamed.
class TemporaryFile {
 public:
  static Result<TemporaryFile> beside(std::string const& file) {
    TemporaryFile made;
    made.path_ = file + ".partial-XXXXXX";
    made.fd_ = os::Fd{::mkostemp(made.path_.data(), O_CLOEXEC)};  // mode 0600
    if (!made.fd_.valid()) return fail_errno("create a file beside", printable(file));
    made.named_ = true;
    return made;
  }
  TemporaryFile(TemporaryFile&& other) noexcept
      : fd_(std::move(other.fd_)),
        path_(std::move(other.path_)),
        named_(std::exchange(other.named_, false)) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (named_ && ::unlink(path_.c_str()) != 0)
      log::warn("backup-leftover", {{"file", path_}, {"errno", errno}});
  }

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Synced, with its folder.
  Status rename_to(std::string const& file) {
    if (::fsync(fd_.get()) != 0) return fail_errno("sync", printable(path_));
    if (::rename(path_.c_str(), file.c_str()) != 0) return fail_errno("replace", printable(file));
    named_ = false;
    auto const folder = os::open_folder(folder_of(file));
    if (!folder) return std::unexpected(folder.error());
    if (::fsync(folder->get()) != 0) return fail_errno("sync the folder of", printable(file));
    return {};
  }

 private:
  TemporaryFile() = default;
  os::Fd fd_;
  std::string path_;
  bool named_ = false;
};

Status check_place(BackupOptions const& options) {
  auto const state = os::real_path(options.state_folder);
  auto const folder = os::real_path(folder_of(options.file));
  if (!folder) return std::unexpected(folder.error());
  if (state && (*folder + "/").starts_with(*state + "/"))
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("{} is inside the state folder, which it would be a backup of",
                                 printable(options.file)),
                     "give a file elsewhere, best on another disk");
  struct stat info{};
  if (::stat(options.file.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return fail(ErrorCode::invalid_argument, "{} exists and is no regular file",
                printable(options.file));
  return {};
}

// The store as of one moment, in a file of its own.
Result<os::Fd> copy_store(BackupOptions const& options, OwnFolder const& folder,
                          Manifest& manifest) {
  std::string const path = fmt::format("{}/{}", options.state_folder, kStoreName);
  if (!os::exists(path))
    return fail_next(ErrorCode::not_found,
                     fmt::format("there is nothing to back up: {} has no {}",
                                 printable(options.state_folder), kStoreName),
                     "set DROVER_STATE_DIR to the state folder of your server");
  auto source = store::Database::open(path, store::OpenMode::reader);
  if (!source) return std::unexpected(source.error());
  DROVER_TRY(source->run("BEGIN"));
  auto schema = store::applied_versions(*source);
  if (!schema) return std::unexpected(schema.error());
  DROVER_TRY(store::refuse_newer("the store " + path, *schema, options.known.schema));
  auto rows = count_rows(*source);
  if (!rows) return std::unexpected(rows.error());
  manifest.schema = *std::move(schema);
  manifest.rows = *std::move(rows);
  std::string const copy = fmt::format("{}/{}", folder.path(), kStoreName);
  DROVER_TRY(source->copy_to(copy));
  os::Fd fd{::open(copy.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("open", copy);
  return fd;
}

Status write_archive(BackupOptions const& options, OwnFolder const& folder, int fd,
                     Clock const& clock) {
  Manifest manifest;
  manifest.drover = options.known.version;
  manifest.created_at = clock.now();
  manifest.state_folder = options.state_folder;
  auto const store = copy_store(options, folder, manifest);
  if (!store) return std::unexpected(store.error());
  auto archive = ArchiveWriter::create(fd, options.file);
  if (!archive) return std::unexpected(archive.error());
  TreeCopy tree{{.folder = options.state_folder,
                 .spool_folder = folder.path(),
                 .store_fd = store->get(),
                 .abort = options.abort},
                *archive};
  auto const left_out = tree.run();
  if (!left_out) return std::unexpected(left_out.error());
  manifest.left_out = *left_out;
  auto const finished = archive->finish(std::move(manifest));
  if (!finished) return std::unexpected(finished.error());
  return {};
}

Result<Archive> verify_fd(int fd, VerifyOptions const& options) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return fail_errno("inspect", printable(options.file));
  auto const folder = OwnFolder::make(options.work_folder + "/drover-verify-XXXXXX");
  if (!folder) return std::unexpected(folder.error());
  auto reader = ArchiveReader::open_fd(fd, options.file);
  if (!reader) return std::unexpected(reader.error());
  auto manifest = extract(*reader, {.folder = folder->path(),
                                    .what = Extract::store_only,
                                    .known = options.known,
                                    .abort = options.abort});
  if (!manifest) return std::unexpected(manifest.error());
  return Archive{options.file, static_cast<std::uint64_t>(info.st_size), *std::move(manifest)};
}

}  // namespace

std::string default_file(WallTime now) {
  std::string time = to_rfc3339(now).substr(0, sizeof "2026-11-21T03:34:27" - 1);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return fmt::format("drover-{}Z.tar.zst", time);
}

Result<Archive> back_up(BackupOptions const& options, Clock const& clock) {
  DROVER_TRY(check_place(options));
  auto file = TemporaryFile::beside(options.file);
  if (!file) return std::unexpected(file.error());
  {
    auto const folder = OwnFolder::make(options.file + ".store-XXXXXX");
    if (!folder) return std::unexpected(folder.error());
    DROVER_TRY(write_archive(options, *folder, file->fd(), clock));
  }
  if (::lseek(file->fd(), 0, SEEK_SET) != 0) return fail_errno("read", printable(options.file));
  auto archive = verify_fd(file->fd(), {.file = options.file,
                                        .work_folder = folder_of(options.file),
                                        .known = options.known,
                                        .abort = options.abort});
  if (!archive) return archive;
  DROVER_TRY(file->rename_to(options.file));
  return archive;
}

Result<Archive> verify(VerifyOptions const& options) {
  os::Fd const fd{::open(options.file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (!fd.valid()) return fail_errno("open", printable(options.file));
  return verify_fd(fd.get(), options);
}

}  // namespace drover::backup
