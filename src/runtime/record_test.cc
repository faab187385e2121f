#include "runtime/record.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/files.h"

namespace drover::runtime {
namespace {

class Records : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/drover-record-test-XXXXXX";
    ASSERT_NE(nullptr, ::mkdtemp(name));
    path_ = name;
  }
  void TearDown() override { EXPECT_TRUE(os::remove_tree(path_)); }
  std::string path_;
};

Record sample() {
  return {.id = WorkloadId::trusted("wl-1"),
          .boot = "b00t",
          .trace = {.id = "wl-1",
                    .pid = 4711,
                    .start_ticks = 18'446'744'073'709'551'615U,
                    .cgroup_folders = {"/sys/fs/cgroup/a/drover-wl-1"}},
          .owned_folders = {"/run/drover/wl-1"}};
}

TEST_F(Records, RoundTripWithoutLoss) {
  auto const parsed = parse_record(print_record(sample()));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().text();
  EXPECT_EQ(print_record(sample()), print_record(*parsed));
  EXPECT_EQ(sample().trace.start_ticks, parsed->trace.start_ticks);
}

TEST_F(Records, SavedLoadedRemoved) {
  RecordFolder const folder{path_ + "/deep/workloads"};
  EXPECT_TRUE(folder.load()->records.empty());
  ASSERT_TRUE(folder.save(sample()));
  ASSERT_TRUE(folder.save(sample()));
  auto const loaded = folder.load();
  ASSERT_TRUE(loaded.has_value());
  ASSERT_EQ(1U, loaded->records.size());
  EXPECT_EQ(4711, loaded->records[0].trace.pid);
  ASSERT_TRUE(folder.remove(sample().id));
  EXPECT_TRUE(folder.remove(sample().id));
  EXPECT_TRUE(folder.load()->records.empty());
}

TEST_F(Records, WhatAKillLeftUnfinishedIsRemovedAndNothingElse) {
  RecordFolder const folder{path_};
  ASSERT_TRUE(folder.save(sample()));
  ASSERT_TRUE(os::write_file_atomic(path_ + "/other.json.new", "{"));
  ASSERT_TRUE(folder.remove_unfinished());
  EXPECT_FALSE(os::exists(path_ + "/other.json.new"));
  EXPECT_EQ(1U, folder.load()->records.size());
  EXPECT_TRUE(RecordFolder{path_ + "/none"}.remove_unfinished());
}

// /dev/full is written to as a full disk is.
TEST_F(Records, OneThatFindsNoRoomLeavesNothing) {
  RecordFolder const folder{path_};
  std::string const unfinished = path_ + "/" + sample().id.str() + ".json.new";
  ASSERT_EQ(symlink("/dev/full", unfinished.c_str()), 0);
  EXPECT_EQ(folder.save(sample()).error().code, ErrorCode::no_space);
  EXPECT_FALSE(os::exists(unfinished));
  EXPECT_TRUE(folder.load()->records.empty());
}

TEST_F(Records, ATornOrRenamedOneIsNamedAndANewerOneRefused) {
  RecordFolder const folder{path_};
  ASSERT_TRUE(os::write_file_atomic(path_ + "/torn.json", "{\"version\": 1, \"id"));
  ASSERT_TRUE(os::write_file_atomic(path_ + "/other.json", print_record(sample())));
  auto const loaded = folder.load();
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(2U, loaded->unreadable.size());
  ASSERT_TRUE(os::write_file_atomic(path_ + "/new.json", "{\"version\": 99}"));
  EXPECT_EQ(ErrorCode::unsupported, folder.load().error().code);
}

}  // namespace
}  // namespace drover::runtime
