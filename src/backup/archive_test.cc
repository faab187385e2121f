// What is written is read back the same, and no other archive is taken.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backup/archive_reader.h"
#include "backup/archive_writer.h"
#include "backup/testing.h"

namespace drover::backup {
namespace {

using testing::RawEntry;
using testing::read_archive;

Manifest manifest_of_now() {
  Manifest manifest;
  manifest.drover = "0.1.0";
  manifest.schema = {{"broker", 1}, {"worker", 2}};
  manifest.created_at = parse_rfc3339("2026-11-21T03:34:27.123Z").value();
  manifest.state_folder = "/home/u\xff/state";
  manifest.left_out.special = 3;
  manifest.rows = {{"runs", 7}};
  return manifest;
}

std::vector<testing::ReadEntry> sample() {
  std::vector<testing::ReadEntry> all;
  auto const add = [&](std::string path, EntryKind kind, std::string content) {
    Entry entry;
    entry.path = std::move(path);
    entry.kind = kind;
    entry.mode = kind == EntryKind::symlink ? 0777 : kind == EntryKind::folder ? 0750 : 0640;
    if (kind != EntryKind::folder) entry.mtime_ns = 1'795'232'067'123'456'789;
    if (kind == EntryKind::symlink) entry.target = std::exchange(content, "");
    entry.size = content.size();
    all.push_back({entry, std::move(content)});
  };
  std::string binary;
  for (unsigned i = 0; i < 300'000; ++i)
    binary += static_cast<char>(i * i >> 3);
  add("empty", EntryKind::file, "");
  add("folder", EntryKind::folder, "");
  add("folder/\n\x01 \xff\xfe", EntryKind::file, "any bytes but NUL");
  add("folder/binary", EntryKind::file, binary);
  add("folder/link", EntryKind::symlink, "../../etc/\xffshadow");
  add("folder/long-" + std::string(200, 'n'), EntryKind::folder, "");
  add("folder/long-" + std::string(200, 'n') + "/" + std::string(250, 'm'), EntryKind::file, "x");
  add("folder/\xc3\xa4\xe2\x82\xac", EntryKind::file, std::string("\0\0zeros", 7));
  add("zero", EntryKind::file, std::string(100'000, '\0'));
  all.back().entry.mtime_ns = -1;
  return all;
}

std::string write_archive(std::vector<testing::ReadEntry> const& entries) {
  os::Fd const fd{::memfd_create("archive", MFD_CLOEXEC)};
  auto writer = ArchiveWriter::create(fd.get(), "test");
  EXPECT_TRUE(writer);
  for (auto const& [entry, content] : entries) {
    auto const begun = writer->begin(entry);
    EXPECT_TRUE(begun) << begun.error().text();
    EXPECT_TRUE(writer->write(content));
  }
  auto const finished = writer->finish(manifest_of_now());
  EXPECT_TRUE(finished) << finished.error().text();
  ::lseek(fd.get(), 0, SEEK_SET);
  return os::read_all(fd.get(), "archive", 1 << 24).value();
}

TEST(Archive, WhatIsWrittenIsReadBackTheSame) {
  auto const entries = sample();
  auto const all = read_archive(write_archive(entries));
  ASSERT_TRUE(all) << all.error().text();
  ASSERT_EQ(all->entries.size(), entries.size());
  EXPECT_EQ(testing::text_of({all->entries, {}}), testing::text_of({entries, {}}));
  Manifest const& manifest = all->manifest;
  Manifest const wanted = manifest_of_now();
  EXPECT_EQ(manifest.drover, wanted.drover);
  EXPECT_EQ(manifest.schema, wanted.schema);
  EXPECT_EQ(manifest.created_at, wanted.created_at);
  EXPECT_EQ(manifest.rows, wanted.rows);
  EXPECT_EQ(manifest.left_out.special, 3);
  EXPECT_EQ(manifest.contents.files, 6);
  EXPECT_EQ(manifest.contents.folders, 2);
  EXPECT_EQ(manifest.contents.symlinks, 1);
}

TEST(Archive, EveryTruncationIsRefused) {
  std::string const whole = write_archive({sample()[0], sample()[1], sample()[2]});
  std::string const wanted = testing::text_of(read_archive(whole).value());
  std::size_t refused = 0;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    auto const all = read_archive(std::string_view{whole}.substr(0, length));
    // Without its last bytes, which are padding, it may still be whole.
    if (!all)
      ++refused;
    else
      EXPECT_EQ(testing::text_of(*all), wanted) << length;
  }
  EXPECT_GE(refused, whole.size() - 16);
}

TEST(Archive, EveryFlippedBitIsRefusedOrChangesNothing) {
  std::string const whole = write_archive({sample()[0], sample()[1], sample()[2]});
  std::string const wanted = testing::text_of(read_archive(whole).value());
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    auto const all = read_archive(flipped);
    if (!all)
      ++refused;
    else
      EXPECT_EQ(testing::text_of(*all), wanted) << "bit " << bit;
  }
  EXPECT_GT(refused, whole.size() * 4);
}

// The digest alone, without what the compression notices: any byte of content, name, mode, target
// or manifest.
TEST(Archive, TheDigestCoversNamesModesLinksContentsAndTheManifest) {
  auto const entries = sample();
  std::string const digest = read_archive(write_archive(entries))->manifest.sha256;
  auto const changed = [&](std::size_t at, auto const& change) {
    auto others = entries;
    change(others[at]);
    return read_archive(write_archive(others))->manifest.sha256;
  };
  EXPECT_EQ(changed(0, [](auto&) {}), digest);
  EXPECT_NE(changed(0, [](auto& one) { one.entry.mode = 0600; }), digest);
  EXPECT_NE(changed(0, [](auto& one) { one.entry.path = "emptY"; }), digest);
  EXPECT_NE(changed(0, [](auto& one) { one.entry.mtime_ns += 1; }), digest);
  EXPECT_NE(changed(2, [](auto& one) { one.content[3] = 'z'; }), digest);
  EXPECT_NE(changed(4, [](auto& one) { one.entry.target = "elsewhere"; }), digest);
}

std::string complaint(std::vector<RawEntry> const& entries) {
  auto const all = read_archive(testing::raw_archive(entries));
  if (all) return "accepted";
  EXPECT_EQ(all.error().code, ErrorCode::data_corrupt);
  EXPECT_FALSE(all.error().message.contains('\n'));
  return all.error().message;
}

TEST(Archive, HostileEntriesAreRefusedWithTheirNames) {
  EXPECT_EQ(complaint({{.path = "state/../../etc/cron.d/x"}}),
            "the archive's entry ../../etc/cron.d/x does not name a place below the state folder");
  EXPECT_EQ(complaint({{.path = "/etc/passwd"}}),
            "the archive's entry /etc/passwd is not below state/");
  EXPECT_EQ(complaint({{.path = "state//etc/passwd"}}),
            "the archive's entry /etc/passwd does not name a place below the state folder");
  EXPECT_EQ(complaint({{.path = "state/a"}, {.path = "state/b", .hardlink = "state/a"}}),
            "the archive's entry state/b is a hard link");
  for (unsigned const type : {AE_IFCHR, AE_IFBLK, AE_IFIFO})
    EXPECT_EQ(complaint({{.path = "state/d", .type = type}}),
              "the archive's entry state/d is a device, FIFO or socket");
  EXPECT_EQ(complaint({{.path = "state/su", .mode = 04755}}),
            "the archive's entry su has a set-user-id, set-group-id or sticky bit");
  EXPECT_EQ(complaint({{.path = "state/a"}, {.path = "state/a"}}),
            "the archive's entry a is there twice");
  EXPECT_EQ(complaint({{.path = "state/l", .type = AE_IFLNK, .symlink = "/etc"},
                       {.path = "state/l/passwd", .content = "root"}}),
            "the archive's entry l/passwd is in no folder of the archive");
  EXPECT_EQ(complaint({{.path = "state/drover.db-wal", .content = "pages"}}),
            "the archive's entry drover.db-wal is in no backup that drover made");
  EXPECT_EQ(complaint({{.path = "state/a"}}), "the archive ends before its manifest");
}

TEST(Archive, ManifestsOfOthersAreRefused) {
  auto const with = [](std::string text) {
    return std::vector<RawEntry>{{.path = "state/a", .content = "a"},
                                 {.path = "manifest.json", .content = std::move(text)}};
  };
  EXPECT_TRUE(complaint(with("{")).contains("manifest does not hold together"));
  EXPECT_TRUE(complaint(with("[]")).contains("manifest does not hold together"));
  EXPECT_TRUE(complaint(with("{\"drover_backup\":1}")).contains("/drover"));
  auto const newer = read_archive(testing::raw_archive(with("{\"drover_backup\":2}")));
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, ErrorCode::conflict);
  // Right but for the digest.
  std::string const right = print(manifest_of_now(), {});
  EXPECT_EQ(complaint(with(right)), "the archive is not as it was written: its digest is another");
  auto entries = with(right);
  entries.push_back({.path = "state/b"});
  EXPECT_EQ(complaint(entries), "the archive goes on behind its manifest");
}

TEST(Archive, WhatIsNoArchiveIsRefused) {
  for (std::string const& bytes :
       {std::string{}, std::string{"hello"}, std::string(10'000, '\0'), std::string(10'000, 'x')})
    EXPECT_FALSE(read_archive(bytes));
}

TEST(Manifest, VersionsAreComparedAsNumbers) {
  EXPECT_TRUE(newer_version("0.10.0", "0.9.3"));
  EXPECT_TRUE(newer_version("1.0.0", "0.9.3"));
  EXPECT_FALSE(newer_version("0.9.3", "0.9.3"));
  EXPECT_FALSE(newer_version("0.9", "0.9.3"));
  Compatibility const known{"0.1.0", {{"broker", 1}, {"worker", 2}}};
  EXPECT_TRUE(check_compatible(manifest_of_now(), known));
  Manifest manifest = manifest_of_now();
  manifest.drover = "0.2.0";
  EXPECT_EQ(check_compatible(manifest, known).error().message,
            "the archive was written by drover 0.2.0, and this is 0.1.0");
  manifest = manifest_of_now();
  manifest.schema["fleet"] = 1;
  EXPECT_EQ(check_compatible(manifest, known).error().message,
            "the store in the archive has schema fleet version 1, and this drover knows it up to "
            "version 0");
}

}  // namespace
}  // namespace drover::backup
