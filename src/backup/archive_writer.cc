#include "backup/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>

#include "base/text.h"

namespace drover::backup {

namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

mode_t file_type(EntryKind kind) {
  switch (kind) {
    case EntryKind::file:
      return AE_IFREG;
    case EntryKind::folder:
      return AE_IFDIR;
    case EntryKind::symlink:
      return AE_IFLNK;
  }
  return AE_IFREG;
}

}  // namespace

void ArchiveWriter::Free::operator()(archive* handle) const {
  archive_write_free(handle);
}

Status ArchiveWriter::check(long code) const {
  if (code >= ARCHIVE_OK) return {};
  int const number = archive_errno(archive_.get());
  char const* const detail = archive_error_string(archive_.get());
  if (number > 0) return std::unexpected(system_error(number, "write the archive", name_));
  return fail(ErrorCode::internal, "the archive {} could not be written: {}", printable(name_),
              detail == nullptr ? "?" : detail);
}

Result<ArchiveWriter> ArchiveWriter::create(int fd, std::string name) {
  ArchiveWriter writer{archive_write_new(), std::move(name)};
  archive* const handle = writer.archive_.get();
  if (handle == nullptr) return fail(ErrorCode::internal, "libarchive does not start");
  DROVER_TRY(writer.check(archive_write_set_format_pax(handle)));
  DROVER_TRY(writer.check(archive_write_add_filter_zstd(handle)));
  DROVER_TRY(writer.check(archive_write_set_bytes_in_last_block(handle, 1)));
  DROVER_TRY(writer.check(archive_write_open_fd(handle, fd)));
  return writer;
}

Status ArchiveWriter::write_header(std::string const& path, Entry const& entry) {
  std::unique_ptr<archive_entry, FreeEntry> const header{archive_entry_new()};
  archive_entry_copy_pathname(header.get(), path.c_str());
  archive_entry_set_filetype(header.get(), file_type(entry.kind));
  archive_entry_set_perm(header.get(), entry.mode);
  archive_entry_set_size(header.get(), static_cast<la_int64_t>(entry.size));
  if (entry.kind == EntryKind::symlink)
    archive_entry_copy_symlink(header.get(), entry.target.c_str());
  // Rounded down, so that the nanoseconds are none below zero.
  std::int64_t nanos = entry.mtime_ns % kNanosPerSecond;
  if (nanos < 0) nanos += kNanosPerSecond;
  archive_entry_set_mtime(header.get(), (entry.mtime_ns - nanos) / kNanosPerSecond, nanos);
  int const code = archive_write_header(archive_.get(), header.get());
  // A name that is no ASCII is written as the bytes it is, and libarchive warns of that. (Its
  // option that would not warn marks every entry with what GNU tar warns of.) A name that came out
  // otherwise would not pass the digest when the archive is read back.
  if (code == ARCHIVE_WARN && archive_errno(archive_.get()) == EILSEQ) return {};
  return check(code);
}

Status ArchiveWriter::begin(Entry const& entry) {
  DROVER_TRY(order_.admit(entry));
  digest_.begin(entry);
  switch (entry.kind) {
    case EntryKind::file:
      ++contents_.files;
      contents_.bytes += static_cast<std::int64_t>(entry.size);
      break;
    case EntryKind::folder:
      ++contents_.folders;
      break;
    case EntryKind::symlink:
      ++contents_.symlinks;
      break;
  }
  return write_header(std::string{kStatePrefix} + entry.path, entry);
}

Status ArchiveWriter::write(std::string_view bytes) {
  digest_.content(bytes);
  while (!bytes.empty()) {
    auto const written = archive_write_data(archive_.get(), bytes.data(), bytes.size());
    DROVER_TRY(check(written));
    // More than the header said: libarchive would drop the rest without a word.
    if (written == 0)
      return fail(ErrorCode::internal, "more was written to {} than its entry holds",
                  printable(name_));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<Manifest> ArchiveWriter::finish(Manifest manifest) {
  manifest.contents = contents_;
  std::string const text = print(manifest, digest_);
  Entry entry;
  entry.mode = 0600;
  entry.mtime_ns = std::chrono::nanoseconds{manifest.created_at.time_since_epoch()}.count();
  entry.size = text.size();
  DROVER_TRY(write_header(std::string{kManifestName}, entry));
  DROVER_TRY(write(text));
  DROVER_TRY(check(archive_write_close(archive_.get())));
  auto parsed = parse_manifest(text);
  if (!parsed) return std::unexpected(parsed.error());
  return std::move(parsed->manifest);
}

}  // namespace drover::backup
