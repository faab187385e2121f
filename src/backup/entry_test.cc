#include "backup/entry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "backup/state_files.h"

namespace drover::backup {
namespace {

Entry entry(std::string path, EntryKind kind = EntryKind::file) {
  Entry made;
  made.path = std::move(path);
  made.kind = kind;
  made.mode = 0600;
  if (kind == EntryKind::symlink) made.target = "anywhere";
  return made;
}

std::string complaint(std::vector<Entry> const& entries) {
  EntryOrder order;
  for (Entry const& one : entries)
    if (auto const admitted = order.admit(one); !admitted) {
      EXPECT_EQ(admitted.error().code, ErrorCode::data_corrupt);
      return admitted.error().message;
    }
  return "";
}

TEST(EntryOrder, NamesThatLeadOutAreRefused) {
  for (std::string const& path :
       {std::string{}, std::string{"/etc/passwd"}, std::string{".."}, std::string{"../x"},
        std::string{"a/../../x"}, std::string{"a//b"}, std::string{"."}, std::string{"a/."},
        std::string{"a/"}, std::string{"a\0b", 3}, std::string(256, 'n'),
        std::string(kPathBytesMax + 1, 'n')})
    EXPECT_NE(complaint({entry("a", EntryKind::folder), entry(path)}), "") << path;
  EXPECT_EQ(complaint({entry("b"), entry("a\x1b[31m")}),
            "the archive's entry a\xe2\x90\x9b[31m is out of order, or there twice");
  EXPECT_EQ(complaint({entry("..."), entry("a\nb"), entry("a b"), entry("\xff")}), "");
}

TEST(EntryOrder, NothingIsWrittenThroughALinkOrAFile) {
  for (EntryKind const kind : {EntryKind::symlink, EntryKind::file})
    EXPECT_TRUE(complaint({entry("a", kind), entry("a/b")}).contains("is in no folder"));
  EXPECT_TRUE(complaint({entry("a/b")}).contains("is in no folder"));
  EXPECT_EQ(complaint({entry("a", EntryKind::folder), entry("a/b")}), "");
}

TEST(EntryOrder, BitsThatGiveRightsAreRefused) {
  for (std::uint32_t const bit : {04000U, 02000U, 01000U, 010000U}) {
    Entry one = entry("a");
    one.mode |= bit;
    EXPECT_NE(complaint({one}), "") << bit;
  }
}

TEST(EntryOrder, SizesHaveABoundThatTheStoreAloneMayPass) {
  Entry one = entry("a");
  one.size = kFileBytesMax;
  EXPECT_EQ(complaint({one}), "");
  one.size = kFileBytesMax + 1;
  EXPECT_NE(complaint({one}), "");
  one.path = kStoreName;
  EXPECT_EQ(complaint({one}), "");
  one.size = kStoreBytesMax + 1;
  EXPECT_NE(complaint({one}), "");
}

// A random tree: in the one order it is admitted, and in no other; twice is never admitted.
TEST(EntryOrder, OneOrderOnlyAndNothingTwice) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random{seed};
    std::vector<Entry> tree;
    std::vector<std::string> folders = {""};
    for (int i = 0; i < 12; ++i) {
      std::string const& folder = folders[random() % folders.size()];
      // Bytes around '/', which a plain comparison of paths would put in the wrong place.
      std::string const name{"-./0a\xfe"[random() % 2 == 0 ? 0 : 3 + random() % 3],
                             static_cast<char>('a' + i)};
      bool const is_folder = random() % 2 == 0;
      tree.push_back(entry(folder.empty() ? name : folder + "/" + name,
                           is_folder ? EntryKind::folder : EntryKind::file));
      if (is_folder) folders.push_back(tree.back().path);
    }
    std::ranges::sort(tree, comes_before, &Entry::path);
    EXPECT_EQ(complaint(tree), "") << "seed " << seed;
    auto twice = tree;
    auto const at = static_cast<std::ptrdiff_t>(random() % tree.size());
    twice.insert(twice.begin() + at, tree[static_cast<std::size_t>(at)]);
    EXPECT_NE(complaint(twice), "") << "seed " << seed;
    auto swapped = tree;
    std::swap(swapped[random() % (tree.size() / 2)], swapped[tree.size() / 2 + random() % 6]);
    EXPECT_NE(complaint(swapped), "") << "seed " << seed;
  }
}

TEST(StateFiles, WhatBelongsToARunningServerIsLeftOut) {
  for (std::string_view const name :
       {"server.lock", "drover.db.lock", "server.json", "server.log", "drover.db-wal",
        "drover.db-shm", "units", "workloads", "reserve"})
    EXPECT_TRUE(is_left_out(name)) << name;
  for (std::string_view const name :
       {"drover.db", "api-token", "unit-token.key", "sessions", "worktrees",
        "worktrees/ses-1/package.lock", "sessions/ses-1/server.log", "worktrees/units"})
    EXPECT_FALSE(is_left_out(name)) << name;
  EXPECT_TRUE(is_of_agents("worktrees/ses-1/x"));
  EXPECT_FALSE(is_of_agents("api-token"));
}

}  // namespace
}  // namespace drover::backup
