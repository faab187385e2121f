#include "os/folder_watch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "os/files.h"

namespace drover::os {
namespace {

class Watch : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "drover-watch-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override { EXPECT_TRUE(remove_tree(folder_)); }
  std::string folder_;
};

TEST_F(Watch, AFileThatGoesEndsTheWait) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/lock", "x"));
  auto watch = FolderWatch::on(folder_);
  ASSERT_TRUE(watch);
  std::thread other{[&] { EXPECT_TRUE(remove_tree(folder_ + "/lock")); }};
  EXPECT_EQ(watch->wait(Millis{10'000}), FolderWatch::Seen::change);
  other.join();
}

TEST_F(Watch, WhatHappenedBeforeTheWaitIsNotMissedAndIsSeenOnce) {
  auto watch = FolderWatch::on(folder_);
  ASSERT_TRUE(watch);
  ASSERT_TRUE(write_file_atomic(folder_ + "/file", "x"));
  EXPECT_EQ(watch->wait(Millis{0}), FolderWatch::Seen::change);
  EXPECT_EQ(watch->wait(Millis{0}), FolderWatch::Seen::timeout);
}

TEST_F(Watch, AFolderThatIsNotThereIsAnError) {
  EXPECT_EQ(FolderWatch::on(folder_ + "/none").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace drover::os
