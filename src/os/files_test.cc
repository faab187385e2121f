#include "os/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/time.h"

namespace drover::os {
namespace {

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "drover-files-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override { EXPECT_TRUE(remove_tree(folder_)); }
  std::string folder_;
};

TEST_F(Files, ATreeThatTwoRemoveIsGoneForBoth) {
  std::string const tree = folder_ + "/tree";
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 100; ++i)
      ASSERT_TRUE(make_folders(fmt::format("{}/{}/x", tree, i)));
    Status other;
    std::thread beside{[&] { other = remove_tree(tree); }};
    auto const ours = remove_tree(tree);
    beside.join();
    EXPECT_TRUE(ours) << ours.error().text();
    EXPECT_TRUE(other) << other.error().text();
    EXPECT_FALSE(exists(tree));
  }
}

TEST_F(Files, AtomicWriteReplacesAndSetsTheMode) {
  std::string const path = folder_ + "/state.json";
  ASSERT_TRUE(write_file_atomic(path, "one", 0600));
  ASSERT_TRUE(write_file_atomic(path, "two", 0600));
  EXPECT_EQ(*read_file(path), "two");
  struct stat info{};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(Files, AtomicWriteLeavesNothingBesideOnFailure) {
  auto const written = write_file_atomic(folder_ + "/absent/state", "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::not_found);
}

TEST_F(Files, ReadRefusesAFifoWithoutBlocking) {
  std::string const path = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  auto const content = read_file(path);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code, ErrorCode::invalid_argument);
}

TEST_F(Files, ReadHasABound) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/big", std::string(1000, 'x')));
  EXPECT_EQ(read_file(folder_ + "/big", 1000)->size(), 1000U);
  EXPECT_EQ(read_file(folder_ + "/big", 999).error().code, ErrorCode::too_large);
}

// /proc says that its files have no bytes, and gives some of them to the first read alone; /sys
// says a page whatever there is.
TEST_F(Files, ReadGivesWhatTheKernelSays) {
  auto const all = [](char const* path) {
    Fd const fd{::open(path, O_RDONLY | O_CLOEXEC)};
    std::string text(4096, '\0');
    text.resize(
        static_cast<std::size_t>(std::max<ssize_t>(0, ::read(fd.get(), text.data(), 4096))));
    return text;
  };
  for (auto const* const path : {"/proc/sys/kernel/pid_max", "/proc/version",
                                 "/sys/devices/system/cpu/online", "/sys/kernel/mm/ksm/run"}) {
    if (!exists(path)) continue;
    auto const read = read_file(path, 512);
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(*read, all(path)) << path;
    EXPECT_GT(read->size(), 1U) << path;
  }
}

TEST_F(Files, AFileIsReadToItsBound) {
  for (std::size_t const size : {0U, 1U, 511U, 512U}) {
    std::string const path = fmt::format("{}/{}", folder_, size);
    ASSERT_TRUE(write_file_atomic(path, std::string(size, 'x')));
    EXPECT_EQ(read_file(path, 512).value().size(), size);
  }
  ASSERT_TRUE(write_file_atomic(folder_ + "/over", std::string(513, 'x')));
  EXPECT_EQ(read_file(folder_ + "/over", 512).error().code, ErrorCode::too_large);
}

TEST_F(Files, BeneathFollowsNoLinkAndNoDotDot) {
  ASSERT_TRUE(make_folders(folder_ + "/inside/deep"));
  ASSERT_TRUE(write_file_atomic(folder_ + "/outside", "secret"));
  ASSERT_TRUE(write_file_atomic(folder_ + "/inside/deep/file", "fine"));
  ASSERT_EQ(symlink("../outside", (folder_ + "/inside/link").c_str()), 0);
  ASSERT_EQ(symlink("/etc", (folder_ + "/inside/etc").c_str()), 0);
  ASSERT_EQ(link((folder_ + "/outside").c_str(), (folder_ + "/inside/hard").c_str()), 0);
  auto const inside = open_folder(folder_ + "/inside");
  ASSERT_TRUE(inside);
  EXPECT_TRUE(open_regular_beneath(inside->get(), "deep/file"));
  EXPECT_FALSE(open_regular_beneath(inside->get(), "link"));
  EXPECT_FALSE(open_regular_beneath(inside->get(), "etc/passwd"));
  EXPECT_FALSE(open_regular_beneath(inside->get(), "../outside"));
  EXPECT_EQ(open_regular_beneath(inside->get(), "hard").error().code, ErrorCode::forbidden);
}

TEST_F(Files, ASecondLockNamesTheHolder) {
  auto const first = FileLock::acquire(folder_ + "/lock");
  ASSERT_TRUE(first);
  auto const second = FileLock::acquire(folder_ + "/lock");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_NE(second.error().message.find(std::to_string(getpid())), std::string::npos);
}

TEST_F(Files, OverwritingLeavesNothingOfALongerTextAndMakesNoFile) {
  std::string const path = folder_ + "/place";
  EXPECT_EQ(overwrite_file(path, "x").error().code, ErrorCode::not_found);
  ASSERT_TRUE(write_file_atomic(path, "something long", 0600));
  ASSERT_TRUE(overwrite_file(path, "short"));
  EXPECT_EQ(read_file(path).value(), "short");
}

// What a server's sandbox is between clone3 and execve when the server is killed.
TEST_F(Files, ALockOutlivesItsDeadHolderOnlyUntilThatOnesChildHasEnded) {
  std::string const path = folder_ + "/lock";
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t const holder = fork();
  if (holder == 0) {
    auto const lock = FileLock::acquire(path);
    if (!lock) _exit(1);
    if (fork() == 0) {
      char byte = 0;
      close(ends[1]);
      (void)!read(ends[0], &byte, 1);  // until the test closes the pipe
      _exit(0);
    }
    _exit(0);
  }
  close(ends[0]);
  int status = -1;
  ASSERT_EQ(waitpid(holder, &status, 0), holder);
  ASSERT_EQ(status, 0);
  // The child has it: nobody else can.
  Fd const probe{open(path.c_str(), O_RDWR | O_CLOEXEC)};
  ASSERT_EQ(flock(probe.get(), LOCK_EX | LOCK_NB), -1);
  std::jthread const ends_child{[end = ends[1]] {
    std::this_thread::sleep_for(Millis{50});
    close(end);
  }};
  auto const mine = FileLock::acquire(path);
  EXPECT_TRUE(mine) << mine.error().text();
}

TEST_F(Files, RemoveTreeDoesNotFollowLinks) {
  ASSERT_TRUE(make_folders(folder_ + "/keep"));
  ASSERT_TRUE(write_file_atomic(folder_ + "/keep/file", "x"));
  ASSERT_TRUE(make_folders(folder_ + "/gone"));
  ASSERT_EQ(symlink("../keep", (folder_ + "/gone/link").c_str()), 0);
  ASSERT_TRUE(remove_tree(folder_ + "/gone"));
  EXPECT_TRUE(exists(folder_ + "/keep/file"));
  EXPECT_FALSE(exists(folder_ + "/gone"));
}

}  // namespace
}  // namespace drover::os
