#include "sandbox/growth.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "sandbox/growth_watch.h"
#include "sandbox/testing.h"

namespace drover::sandbox {
namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20U;

TreeSize of_mib(std::uint64_t mib) {
  TreeSize size;
  size.bytes = mib * kMib;
  return size;
}

TEST(GrowthMeter, CountsFromTheFirstLookAndTellsWhatIsTooMuch) {
  GrowthMeter meter{100 * kMib};
  EXPECT_TRUE(meter.due(Millis{0}, 1000 * kMib));
  EXPECT_FALSE(meter.measured(Millis{0}, Millis{1}, of_mib(5000), 1000 * kMib));
  EXPECT_FALSE(meter.measured(Millis{1}, Millis{1}, of_mib(5100), 900 * kMib));
  auto const grown = meter.measured(Millis{2}, Millis{1}, of_mib(5101), 899 * kMib);
  ASSERT_TRUE(grown);
  EXPECT_EQ(101 * kMib, *grown);
  // What shrinks below the start may grow by all of it again.
  EXPECT_FALSE(meter.measured(Millis{3}, Millis{1}, of_mib(10), 899 * kMib));
}

TEST(GrowthMeter, LooksWhenHalfOfWhatIsLeftHasGoneFromTheDiskAndElseNowAndThen) {
  GrowthMeter meter{100 * kMib};
  (void)meter.measured(Millis{0}, Millis{1}, of_mib(50), 1000 * kMib);
  EXPECT_FALSE(meter.due(Millis{100}, 1000 * kMib));
  EXPECT_FALSE(meter.due(Millis{100}, 951 * kMib));
  EXPECT_TRUE(meter.due(Millis{100}, 950 * kMib));
  EXPECT_FALSE(meter.due(Millis{100}, 5000 * kMib));  // somebody made room
  EXPECT_TRUE(meter.due(GrowthMeter::kPauseMin, 5000 * kMib));
  // The nearer the limit, the sooner.
  (void)meter.measured(Millis{200}, Millis{1}, of_mib(140), 910 * kMib);
  EXPECT_TRUE(meter.due(Millis{300}, 905 * kMib));
  // A tree that takes long to measure is measured seldom.
  (void)meter.measured(Millis{400}, Millis{1'000}, of_mib(50), 1000 * kMib);
  EXPECT_FALSE(meter.due(Millis{400 + 19'000}, 1000 * kMib));
  EXPECT_TRUE(meter.due(Millis{400 + 20'000}, 1000 * kMib));
}

TEST(GrowthMeter, ANewStartForgivesWhatIsThere) {
  GrowthMeter meter{100 * kMib};
  (void)meter.measured(Millis{0}, Millis{1}, of_mib(0), 1000 * kMib);
  meter.restart();
  EXPECT_TRUE(meter.due(Millis{1}, 1000 * kMib));
  EXPECT_FALSE(meter.measured(Millis{1}, Millis{1}, of_mib(500), 500 * kMib));
  EXPECT_TRUE(meter.measured(Millis{2}, Millis{1}, of_mib(601), 400 * kMib));
}

TEST(MeasureTrees, CountsBlocksOnceAndFollowsNothing) {
  TemporaryFolder folder;
  TemporaryFolder outside;
  ASSERT_TRUE(os::write_file_atomic(outside / "big", std::string(4 * kMib, 'x')));
  ASSERT_TRUE(os::make_folders(folder / "a/b"));
  ASSERT_TRUE(os::write_file_atomic(folder / "a/b/one", std::string(kMib, 'x')));
  ASSERT_EQ(0, ::link((folder / "a/b/one").c_str(), (folder / "two").c_str()));
  ASSERT_EQ(0, ::symlink(outside.path().c_str(), (folder / "out").c_str()));
  ASSERT_EQ(0, ::mkfifo((folder / "fifo").c_str(), 0600));
  auto const size = measure_trees({folder.path()});
  ASSERT_TRUE(size) << size.error().text();
  EXPECT_GE(size->bytes, kMib);
  EXPECT_LT(size->bytes, 2 * kMib);
  EXPECT_EQ(5U, size->files);  // a, b, the file once, the link, the FIFO
  // A sparse file has the size that it takes.
  ASSERT_EQ(0, ::truncate((folder / "two").c_str(), 1L << 40U));
  EXPECT_LT(measure_trees({folder.path()})->bytes, 2 * kMib);
}

TEST(MeasureTrees, WhatIsNestedTooDeeplyIsAnErrorAndNotNothing) {
  TemporaryFolder folder;
  std::string const name(200, 'd');
  int at = ::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < 25; ++i) {
    ASSERT_EQ(0, ::mkdirat(at, name.c_str(), 0755));
    int const next = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::close(at);
    at = next;
  }
  ::close(at);
  auto const size = measure_trees({folder.path()});
  ASSERT_FALSE(size.has_value());
  EXPECT_EQ(ErrorCode::too_large, size.error().code);
}

TEST(MeasureUnnamed, AFileWithoutANameIsFoundInWhoHasItOpen) {
  TemporaryFolder folder;
  EXPECT_EQ(0U, measure_unnamed({::getpid()}, {folder.path()}).bytes);
  os::Fd const file{::open(folder.path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
  ASSERT_TRUE(os::write_all(file.get(), std::string(2 * kMib, 'x'), "file"));
  ASSERT_EQ(0, ::fsync(file.get()));
  EXPECT_GE(measure_unnamed({::getpid()}, {folder.path()}).bytes, 2 * kMib);
  EXPECT_EQ(0U, measure_unnamed({::getpid()}, {"/proc"}).bytes);
}

SandboxSpec writer(TemporaryFolder const& folder, std::string const& script) {
  auto spec = script_spec(script);
  spec.mounts = {{folder.path(), "/workspace", MountMode::rw, Ownership::owner_is_agent}};
  spec.limits.disk_mb = 16;
  return spec;
}

TEST(GrowthWatch, AWorkspaceThatGrowsBeyondItsLimitEndsTheSandboxWithTheReason) {
  for (std::string const way : {"head -c 200M /dev/zero > /workspace/big; sleep 60",
                                "exec 9>/workspace/x; rm /workspace/x; head -c 200M /dev/zero >&9; "
                                "sleep 60"}) {
    TemporaryFolder folder;
    // Time for the first look, from which growth counts.
    auto const outcome = run(writer(folder, "sleep 1; " + way));
    EXPECT_EQ(SIGKILL, outcome.exit.status.signal);
    EXPECT_TRUE(outcome.exit.over_disk.contains("the limit is 16 MiB")) << outcome.exit.over_disk;
    EXPECT_FALSE(outcome.exit.out_of_memory);
  }
}

TEST(GrowthWatch, WhatStaysWithinItsLimitOrWasThereBeforeIsLeftAlone) {
  TemporaryFolder folder;
  ASSERT_TRUE(os::write_file_atomic(folder / "old", std::string(40 * kMib, 'x')));
  auto const outcome =
      run(writer(folder,
                 "sleep 1; head -c 8M /dev/zero > /workspace/a; sleep 1; rm /workspace/a; "
                 "head -c 12M /dev/zero > /workspace/b; sleep 1; echo done"));
  EXPECT_EQ("done\n", outcome.output) << outcome.exit.over_disk;
  EXPECT_EQ("", outcome.exit.over_disk);
}

}  // namespace
}  // namespace drover::sandbox
