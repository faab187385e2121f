#include "backup/extract.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ranges>

#include "backup/sparse_file.h"
#include "base/text.h"
#include "os/files.h"
#include "store/database.h"

namespace drover::backup {

namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr std::uint32_t kOwnerMode = 0700;

class Extraction {
 public:
  Extraction(ArchiveReader& archive, ExtractOptions const& options, os::Fd top)
      : archive_(archive), options_(options), top_(std::move(top)) {}

  Status run();

 private:
  Status take(Entry const& entry);
  Status make_folder(int parent, std::string const& name, Entry const& entry);
  Status make_link(int parent, std::string const& name, Entry const& entry) const;
  Status make_file(int parent, std::string const& name, Entry const& entry);
  Status close_folders() const;
  [[nodiscard]] Status check_abort() const;
  [[nodiscard]] static std::array<timespec, 2> times_of(Entry const& entry);

  ArchiveReader& archive_;
  ExtractOptions const& options_;
  os::Fd top_;
  // Folders whose owner may not write in them get their mode once they are full.
  std::vector<std::pair<std::string, std::uint32_t>> narrow_;
};

Status Extraction::check_abort() const {
  if (options_.abort != nullptr && options_.abort->load())
    return fail(ErrorCode::cancelled, "reading the archive was interrupted");
  return {};
}

Status Extraction::run() {
  for (;;) {
    DROVER_TRY(check_abort());
    auto const entry = archive_.next();
    if (!entry) return std::unexpected(entry.error());
    if (!*entry) return close_folders();
    if (options_.what == Extract::everything || (*entry)->path == kStoreName)
      DROVER_TRY(take(**entry));
  }
}

Status Extraction::take(Entry const& entry) {
  std::string const folder{parent_of(entry.path)};
  std::string const name = entry.path.substr(folder.empty() ? 0 : folder.size() + 1);
  auto const parent =
      os::open_beneath(top_.get(), folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
  if (!parent) return std::unexpected(parent.error());
  switch (entry.kind) {
    case EntryKind::file:
      return make_file(parent->get(), name, entry);
    case EntryKind::folder:
      return make_folder(parent->get(), name, entry);
    case EntryKind::symlink:
      return make_link(parent->get(), name, entry);
  }
  return {};
}

std::array<timespec, 2> Extraction::times_of(Entry const& entry) {
  std::int64_t nanos = entry.mtime_ns % kNanosPerSecond;
  if (nanos < 0) nanos += kNanosPerSecond;
  timespec const modified{(entry.mtime_ns - nanos) / kNanosPerSecond, nanos};
  return {modified, modified};
}

Status Extraction::make_folder(int parent, std::string const& name, Entry const& entry) {
  if (::mkdirat(parent, name.c_str(), 0700) != 0)
    return fail_errno("create the folder", printable(entry.path));
  bool const narrow = (entry.mode & kOwnerMode) != kOwnerMode;
  if (narrow) narrow_.emplace_back(entry.path, entry.mode);
  if (!narrow && ::fchmodat(parent, name.c_str(), entry.mode, 0) != 0)
    return fail_errno("set the mode of", printable(entry.path));
  return {};
}

Status Extraction::make_link(int parent, std::string const& name, Entry const& entry) const {
  if (::symlinkat(entry.target.c_str(), parent, name.c_str()) != 0)
    return fail_errno("create the link", printable(entry.path));
  auto const times = times_of(entry);
  if (::utimensat(parent, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
    return fail_errno("set the time of", printable(entry.path));
  return {};
}

Status Extraction::make_file(int parent, std::string const& name, Entry const& entry) {
  auto fd = os::open_beneath(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd) return std::unexpected(fd.error());
  SparseFile file{*std::move(fd), printable(entry.path)};
  for (;;) {
    DROVER_TRY(check_abort());
    auto const piece = archive_.read();
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) break;
    DROVER_TRY(file.write(*piece));
  }
  DROVER_TRY(file.finish());
  auto const times = times_of(entry);
  if (::fchmod(file.fd(), entry.mode) != 0 || ::futimens(file.fd(), times.data()) != 0)
    return fail_errno("set mode and time of", printable(entry.path));
  return {};
}

// From the inside out: an outer one may forbid the way in.
Status Extraction::close_folders() const {
  for (auto const& [path, mode] : std::views::reverse(narrow_)) {
    auto const folder = os::open_beneath(top_.get(), path, O_RDONLY | O_DIRECTORY);
    if (!folder) return std::unexpected(folder.error());
    if (::fchmod(folder->get(), mode) != 0) return fail_errno("set the mode of", printable(path));
  }
  return {};
}

Status check_integrity(store::Database& database) {
  auto rows = database.query("PRAGMA integrity_check(1)");
  if (!rows) return std::unexpected(rows.error());
  auto const row = rows->step();
  if (!row) return std::unexpected(row.error());
  if (*row && rows->text(0) == "ok") return {};
  return fail_next(
      ErrorCode::data_corrupt,
      fmt::format("the store in the archive does not hold together: {}", printable(rows->text(0))),
      "use another backup");
}

Status check_store(std::string const& path, Manifest const& manifest) {
  auto database = store::Database::open(path, store::OpenMode::reader);
  if (!database) return std::unexpected(database.error());
  DROVER_TRY(check_integrity(*database));
  auto const schema = store::applied_versions(*database);
  if (!schema) return std::unexpected(schema.error());
  auto const rows = count_rows(*database);
  if (!rows) return std::unexpected(rows.error());
  if (*schema == manifest.schema && *rows == manifest.rows) return {};
  return fail(ErrorCode::data_corrupt, "the store in the archive is not the one of its manifest");
}

}  // namespace

Result<std::map<std::string, std::int64_t, std::less<>>> count_rows(store::Database& database) {
  std::map<std::string, std::int64_t, std::less<>> rows;
  {
    auto tables = database.query(
        "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite\\_%' "
        "ESCAPE '\\'");
    if (!tables) return std::unexpected(tables.error());
    for (;;) {
      auto const more = tables->step();
      if (!more) return std::unexpected(more.error());
      if (!*more) break;
      rows.emplace(tables->text(0), 0);
    }
  }
  for (auto& [table, count] : rows) {
    std::string quoted;
    for (char const c : table)
      quoted += c == '"' ? std::string{"\"\""} : std::string{c};
    auto counted = database.query(fmt::format("SELECT count(*) FROM \"{}\"", quoted));
    if (!counted) return std::unexpected(counted.error());
    auto const row = counted->step();
    if (!row) return std::unexpected(row.error());
    count = counted->integer(0);
  }
  return rows;
}

Result<Manifest> extract(ArchiveReader& archive, ExtractOptions const& options) {
  auto top = os::open_folder(options.folder);
  if (!top) return std::unexpected(top.error());
  DROVER_TRY((Extraction{archive, options, *std::move(top)}.run()));
  Manifest const& manifest = archive.manifest();
  DROVER_TRY(check_compatible(manifest, options.known));
  std::string const store = fmt::format("{}/{}", options.folder, kStoreName);
  struct stat info{};
  if (::lstat(store.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    return fail(ErrorCode::data_corrupt, "the archive has no store");
  DROVER_TRY(check_store(store, manifest));
  // Reading a store makes them.
  for (std::string_view const side : {"-wal", "-shm"})
    if (::unlink(fmt::format("{}{}", store, side).c_str()) != 0 && errno != ENOENT)
      return fail_errno("remove", fmt::format("{}{}", store, side));
  return manifest;
}

}  // namespace drover::backup
