#include "os/cgroup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <sstream>

#include "os/files.h"
#include "os/process.h"

namespace drover::os {
namespace {

constexpr Millis kPatience{5000};

TEST(ParseCgroups, MixedVersionsAndAControllerWithItsOwnMount) {
  auto const table = parse_cgroups(
      "35 31 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
      "36 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
      "27 1 254:0 / / rw - ext4 /dev/vda rw\n",
      "4:memory:/service/abc\n3:cpu,cpuacct:/\n0::/tree\n");
  ASSERT_EQ(3U, table.size());
  EXPECT_EQ("/sys/fs/cgroup/memory/service/abc", table[0].own);
  EXPECT_EQ("/sys/fs/cgroup/cpu,cpuacct", table[1].own);
  EXPECT_EQ("/sys/fs/cgroup/unified/tree", table[2].own);
  EXPECT_EQ(CgroupVersion::v2, table[2].version);
}

TEST(ParseCgroups, AContainerSeesItsOwnGroupAsTheMountsRoot) {
  auto const table = parse_cgroups(
      "1 2 0:3 /docker/ab /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
      "5 2 0:4 /../.. /sys/fs/cgroup/a\\040b rw - cgroup2 cgroup2 rw\n",
      "7:pids:/docker/ab/inner\n0::/../out\n");
  ASSERT_EQ(2U, table.size());
  EXPECT_EQ("/sys/fs/cgroup/pids/inner", table[0].own);
  EXPECT_EQ("/sys/fs/cgroup/a b", table[1].own);
}

TEST(ParseCgroups, NonsenseGivesNothing) {
  EXPECT_TRUE(parse_cgroups("garbage\n - \n1 2 3 - cgroup\n", ":::\n\n").empty());
}

// The rest needs groups that this user may write.
class RealCgroup : public ::testing::Test {
 protected:
  void SetUp() override {
    if (host_.place(CgroupDuty::tree) == nullptr && host_.place(CgroupDuty::freezer) == nullptr)
      GTEST_SKIP() << "no writable cgroup: " << host_.why_not(CgroupDuty::tree);
  }
  CgroupHost host_ = CgroupHost::detect();
  std::string name_ = fmt::format("drover-test-{}", ::getpid());
};

Process busy() {
  return std::move(*Process::spawn({.argv = {"/bin/sh", "-c", "while :; do :; done"}}));
}

void enter(Cgroup const& group, pid_t pid) {
  for (auto const& folder : group.folders()) {
    Fd const procs{::open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC)};
    ASSERT_TRUE(write_all(procs.get(), fmt::format("{}", pid), folder));
  }
}

std::uint64_t cpu_ticks(pid_t pid) {
  auto const stat = read_file(fmt::format("/proc/{}/stat", pid)).value();
  std::istringstream fields{stat.substr(stat.rfind(')') + 2)};
  std::string word;
  for (int i = 0; i < 11; ++i)
    fields >> word;
  std::uint64_t user = 0, system = 0;
  fields >> user >> system;
  return user + system;
}

TEST_F(RealCgroup, FreezeStopsProgressAndThawGivesItBack) {
  auto group = Cgroup::create(host_, name_, {});
  ASSERT_TRUE(group.has_value()) << group.error().text();
  auto process = busy();
  enter(*group, process.pid());
  ASSERT_TRUE(group->freeze(kPatience));
  auto const frozen_at = cpu_ticks(process.pid());
  ::usleep(150'000);
  EXPECT_EQ(frozen_at, cpu_ticks(process.pid()));
  ASSERT_TRUE(group->thaw(kPatience));
  ::usleep(150'000);
  EXPECT_GT(cpu_ticks(process.pid()), frozen_at);
  ASSERT_TRUE(group->kill());
  EXPECT_EQ(SIGKILL, process.wait(kPatience)->value().signal);
  ASSERT_TRUE(group->remove(kPatience));
  for (auto const& folder : group->folders())
    EXPECT_FALSE(exists(folder)) << folder;
}

TEST_F(RealCgroup, CleaningUpTheUnknownIsNoError) {
  auto group = Cgroup::existing(host_, name_ + "-never-made");
  EXPECT_TRUE(group.kill());
  EXPECT_TRUE(group.remove(Millis{10}));
}

TEST_F(RealCgroup, AFrozenGroupCanBeKilledAndRemovedByName) {
  auto made = Cgroup::create(host_, name_, {});
  ASSERT_TRUE(made.has_value());
  auto process = busy();
  enter(*made, process.pid());
  ASSERT_TRUE(made->freeze(kPatience));
  auto found = Cgroup::existing(host_, name_);
  ASSERT_TRUE(found.kill());
  EXPECT_EQ(SIGKILL, process.wait(kPatience)->value().signal);
  EXPECT_TRUE(found.remove(kPatience));
}

TEST_F(RealCgroup, AShareAboveTheParentsIsClampedAndNotRefused) {
  if (host_.place(CgroupDuty::cpu) == nullptr) GTEST_SKIP() << host_.why_not(CgroupDuty::cpu);
  auto group = Cgroup::create(host_, name_, {.cpu_milli = 1'000'000});
  ASSERT_TRUE(group.has_value()) << group.error().text();
  EXPECT_TRUE(group->remove(kPatience));
}

}  // namespace
}  // namespace drover::os
