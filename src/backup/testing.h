#pragma once
// For tests of this folder: archives of any kind, and small state folders.
#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "backup/archive_reader.h"
#include "backup/own_folder.h"
#include "os/files.h"
#include "store/database.h"

namespace drover::backup::testing {

inline OwnFolder temporary_folder() {
  char const* const base = std::getenv("TMPDIR");
  auto made =
      OwnFolder::make(std::string{base == nullptr ? "/tmp" : base} + "/drover-backup-XXXXXX");
  if (!made) throw std::runtime_error(made.error().text());
  return *std::move(made);
}

inline void write(std::string const& path, std::string_view text, mode_t mode = 0644) {
  auto const written = os::write_file_atomic(path, text, mode);
  if (!written) throw std::runtime_error(written.error().text());
}

inline std::string read(std::string const& path) {
  auto text = os::read_file(path);
  return text ? *text : "unreadable: " + text.error().text();
}

// One entry as a hostile program may write it.
struct RawEntry {
  std::string path;
  unsigned type = AE_IFREG;
  unsigned mode = 0600;
  std::string content = {};
  std::string symlink = {};
  std::string hardlink = {};
};

// A plain tar.
inline std::string raw_archive(std::vector<RawEntry> const& entries) {
  std::vector<char> buffer(1 << 20);
  std::size_t used = 0;
  archive* const out = archive_write_new();
  archive_write_set_format_pax(out);
  archive_write_open_memory(out, buffer.data(), buffer.size(), &used);
  for (RawEntry const& raw : entries) {
    archive_entry* const header = archive_entry_new();
    archive_entry_copy_pathname(header, raw.path.c_str());
    archive_entry_set_filetype(header, raw.type);
    archive_entry_set_perm(header, raw.mode);
    archive_entry_set_size(header, static_cast<la_int64_t>(raw.content.size()));
    if (!raw.symlink.empty()) archive_entry_copy_symlink(header, raw.symlink.c_str());
    if (!raw.hardlink.empty()) archive_entry_copy_hardlink(header, raw.hardlink.c_str());
    EXPECT_GE(archive_write_header(out, header), ARCHIVE_WARN) << archive_error_string(out);
    archive_write_data(out, raw.content.data(), raw.content.size());
    archive_entry_free(header);
  }
  archive_write_close(out);
  archive_write_free(out);
  return {buffer.data(), used};
}

struct ReadEntry {
  Entry entry;
  std::string content = {};
};
struct ReadArchive {
  std::vector<ReadEntry> entries;
  Manifest manifest;
};

inline Result<ReadArchive> read_archive(std::string_view bytes) {
  auto reader = ArchiveReader::open_bytes(bytes);
  if (!reader) return std::unexpected(reader.error());
  ReadArchive all;
  for (;;) {
    auto const entry = reader->next();
    if (!entry) return std::unexpected(entry.error());
    if (!*entry) break;
    all.entries.push_back({**entry, {}});
    for (;;) {
      auto const piece = reader->read();
      if (!piece) return std::unexpected(piece.error());
      if (piece->empty()) break;
      all.entries.back().content += *piece;
    }
  }
  all.manifest = reader->manifest();
  return all;
}

// Everything that a restore would put there, for comparing.
inline std::string text_of(ReadArchive const& all) {
  std::string text;
  for (auto const& [entry, content] : all.entries)
    text += fmt::format("{} {} {:o} {} {} {}\n", entry.path, to_string(entry.kind), entry.mode,
                        entry.mtime_ns, entry.target, content);
  return text + all.manifest.sha256;
}

}  // namespace drover::backup::testing
