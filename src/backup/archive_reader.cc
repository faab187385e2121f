#include "backup/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>

#include "backup/archive_writer.h"
#include "backup/state_files.h"
#include "base/text.h"

namespace drover::backup {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10U;
constexpr std::size_t kManifestBytesMax = std::size_t{1} << 20U;
constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
// Times that fit into 64 bits of nanoseconds.
constexpr std::int64_t kSecondsMax = INT64_MAX / kNanosPerSecond - 1;

Result<EntryKind> kind_of(archive_entry* header, std::string_view path) {
  // Also set where the type says otherwise.
  if (archive_entry_hardlink(header) != nullptr)
    return fail(ErrorCode::data_corrupt, "the archive's entry {} is a hard link", printable(path));
  switch (archive_entry_filetype(header)) {
    case AE_IFREG:
      return EntryKind::file;
    case AE_IFDIR:
      return EntryKind::folder;
    case AE_IFLNK:
      return EntryKind::symlink;
    default:
      return fail(ErrorCode::data_corrupt, "the archive's entry {} is a device, FIFO or socket",
                  printable(path));
  }
}

Result<std::int64_t> mtime_of(archive_entry* header, std::string_view path) {
  auto const seconds = archive_entry_mtime(header);
  if (seconds < -kSecondsMax || seconds > kSecondsMax)
    return fail(ErrorCode::data_corrupt, "the archive's entry {} is of an impossible time",
                printable(path));
  return seconds * kNanosPerSecond + archive_entry_mtime_nsec(header);
}

}  // namespace

void ArchiveReader::Free::operator()(archive* handle) const {
  archive_read_free(handle);
}

ArchiveReader::ArchiveReader(std::string name)
    : archive_(archive_read_new()), name_(std::move(name)), buffer_(kPieceBytes) {}

Status ArchiveReader::check(long code) const {
  // A warning, too: it stands for a header that was not understood as it is.
  if (code >= ARCHIVE_OK) return {};
  char const* const detail = archive_error_string(archive_.get());
  return fail_next(ErrorCode::data_corrupt,
                   fmt::format("{} is no whole drover backup: {}", printable(name_),
                               printable(detail == nullptr ? "unreadable" : detail)),
                   "use another backup");
}

Status ArchiveReader::support() const {
  if (archive_ == nullptr) return fail(ErrorCode::internal, "libarchive does not start");
  DROVER_TRY(check(archive_read_support_format_tar(archive_.get())));
  return check(archive_read_support_filter_zstd(archive_.get()));
}

Result<ArchiveReader> ArchiveReader::open_fd(int fd, std::string name) {
  ArchiveReader reader{std::move(name)};
  DROVER_TRY(reader.support());
  DROVER_TRY(reader.check(archive_read_open_fd(reader.archive_.get(), fd, kPieceBytes)));
  return reader;
}

Result<ArchiveReader> ArchiveReader::open_bytes(std::string_view bytes) {
  ArchiveReader reader{"the archive"};
  DROVER_TRY(reader.support());
  DROVER_TRY(
      reader.check(archive_read_open_memory(reader.archive_.get(), bytes.data(), bytes.size())));
  return reader;
}

Result<Entry> ArchiveReader::entry_of(archive_entry* header) const {
  char const* const name = archive_entry_pathname(header);
  Entry entry;
  entry.path = name == nullptr ? "" : name;
  auto const kind = kind_of(header, entry.path);
  if (!kind) return std::unexpected(kind.error());
  entry.kind = *kind;
  entry.mode = archive_entry_perm(header);
  auto const mtime = mtime_of(header, entry.path);
  if (!mtime) return std::unexpected(mtime.error());
  entry.mtime_ns = *mtime;
  if (entry.kind == EntryKind::file) {
    if (archive_entry_size_is_set(header) == 0 || archive_entry_size(header) < 0)
      return fail(ErrorCode::data_corrupt, "the archive's entry {} has no size",
                  printable(entry.path));
    entry.size = static_cast<std::uint64_t>(archive_entry_size(header));
  }
  if (entry.kind == EntryKind::symlink) {
    char const* const target = archive_entry_symlink(header);
    entry.target = target == nullptr ? "" : target;
  }
  // tar marks folders with a slash at the end.
  if (entry.kind == EntryKind::folder && entry.path.ends_with('/')) entry.path.pop_back();
  return entry;
}

Result<std::string_view> ArchiveReader::read() {
  if (left_ == 0) return std::string_view{};
  auto const got = archive_read_data(archive_.get(), buffer_.data(), buffer_.size());
  DROVER_TRY(check(got));
  auto const bytes = static_cast<std::uint64_t>(got);
  if (bytes == 0 || bytes > left_)
    return fail(ErrorCode::data_corrupt, "{} has an entry that is not as long as it says",
                printable(name_));
  left_ -= bytes;
  std::string_view const piece{buffer_.data(), bytes};
  digest_.content(piece);
  return piece;
}

Result<std::string> ArchiveReader::read_rest(std::size_t bytes_max) {
  std::string content;
  if (left_ > bytes_max)
    return fail(ErrorCode::too_large, "{} has a manifest of over {} bytes", printable(name_),
                bytes_max);
  while (left_ > 0) {
    auto const piece = read();
    if (!piece) return std::unexpected(piece.error());
    content += *piece;
  }
  return content;
}

Status ArchiveReader::finish(Entry const& entry) {
  SequenceDigest digest = digest_;  // the manifest's own text is no content
  left_ = entry.kind == EntryKind::file ? entry.size : 0;
  auto const text = read_rest(kManifestBytesMax);
  if (!text) return std::unexpected(text.error());
  auto parsed = parse_manifest(*text);
  if (!parsed) return std::unexpected(parsed.error());
  manifest_ = std::move(parsed->manifest);
  archive_entry* header = nullptr;
  int const code = archive_read_next_header(archive_.get(), &header);
  if (code != ARCHIVE_EOF) {
    DROVER_TRY(check(code));
    return fail(ErrorCode::data_corrupt, "{} goes on behind its manifest", printable(name_));
  }
  if (digest.finish(parsed->unsigned_text) != manifest_.sha256)
    return fail_next(
        ErrorCode::data_corrupt,
        fmt::format("{} is not as it was written: its digest is another", printable(name_)),
        "use another backup");
  return {};
}

Result<std::optional<Entry>> ArchiveReader::next() {
  while (left_ > 0) {
    auto const piece = read();
    if (!piece) return std::unexpected(piece.error());
  }
  archive_entry* header = nullptr;
  int const code = archive_read_next_header(archive_.get(), &header);
  if (code == ARCHIVE_EOF)
    return fail_next(ErrorCode::data_corrupt,
                     fmt::format("{} ends before its manifest", printable(name_)),
                     "use another backup");
  DROVER_TRY(check(code));
  auto entry = entry_of(header);
  if (!entry) return std::unexpected(entry.error());
  if (entry->path == kManifestName) {
    DROVER_TRY(finish(*entry));
    return std::nullopt;
  }
  if (!entry->path.starts_with(kStatePrefix))
    return fail(ErrorCode::data_corrupt, "the archive's entry {} is not below {}",
                printable(entry->path), kStatePrefix);
  entry->path.erase(0, kStatePrefix.size());
  DROVER_TRY(order_.admit(*entry));
  if (is_left_out(entry->path))
    return fail(ErrorCode::data_corrupt, "the archive's entry {} is in no backup that drover made",
                printable(entry->path));
  digest_.begin(*entry);
  left_ = entry->kind == EntryKind::file ? entry->size : 0;
  return std::optional<Entry>{*std::move(entry)};
}

}  // namespace drover::backup
