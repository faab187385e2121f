#include "os/new_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "os/files.h"

namespace drover::os {
namespace {

class NewFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "drover-new-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override { EXPECT_TRUE(remove_tree(folder_)); }
  std::string folder_;
};

TEST_F(NewFile, HoldsWhatWasGivenAndIsAloneInItsFolder) {
  ASSERT_TRUE(create_whole_file(folder_ + "/a", "content"));
  ASSERT_TRUE(sync_folder(folder_));
  EXPECT_EQ(read_file(folder_ + "/a"), "content");
  std::filesystem::directory_iterator const entries{folder_};
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST_F(NewFile, ATakenNameIsAConflictAndKeepsItsContent) {
  ASSERT_TRUE(create_whole_file(folder_ + "/a", "first"));
  auto const second = create_whole_file(folder_ + "/a", "second");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_EQ(read_file(folder_ + "/a"), "first");
}

TEST_F(NewFile, AMissingFolderIsAnError) {
  EXPECT_EQ(create_whole_file(folder_ + "/none/a", "x").error().code, ErrorCode::not_found);
  EXPECT_FALSE(sync_folder(folder_ + "/none"));
}

}  // namespace
}  // namespace drover::os
