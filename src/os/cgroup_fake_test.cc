// Hosts that are not this one: hierarchies of files in a temporary folder, as the kernel would show
// them. What the kernel itself does with them is cgroup_test.cc's.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/cgroup.h"
#include "os/files.h"

namespace drover::os {
namespace {

using enum CgroupDuty;

class FakeHost : public ::testing::Test {
 protected:
  FakeHost() {
    char name[] = "/tmp/drover-cgroups-XXXXXX";
    EXPECT_NE(nullptr, ::mkdtemp(name));
    root_ = name;
  }
  ~FakeHost() override { EXPECT_TRUE(remove_tree(root_)); }

  void file(std::string const& path, std::string const& text) const {
    std::string const whole = root_ + "/" + path;
    EXPECT_TRUE(make_folders(whole.substr(0, whole.rfind('/'))));
    EXPECT_TRUE(write_file_atomic(whole, text));
  }
  std::string content(std::string const& path) const {
    return read_file(root_ + "/" + path).value_or("(none)");
  }
  // A v1 hierarchy of these controllers, in which we are in `own`.
  void v1(std::string const& controllers, std::string const& own) {
    EXPECT_TRUE(make_folders(root_ + "/" + controllers + own));
    mounts_ += "35 31 0:31 / " + root_ + "/" + controllers + " rw - cgroup cgroup rw," +
               controllers + "\n";
    memberships_ += "4:" + controllers + ":" + own + "\n";
  }
  // The v2 hierarchy, in which we are in `own`; the controllers are those of that group.
  void v2(std::string const& own, std::string const& controllers) {
    file("unified" + own + "/cgroup.controllers", controllers + "\n");
    file("unified" + own + "/cgroup.subtree_control", controllers + "\n");
    mounts_ += "41 31 0:38 / " + root_ + "/unified rw - cgroup2 cgroup2 rw\n";
    memberships_ += "0::" + own + "\n";
  }
  CgroupHost detect() const { return CgroupHost::detect(mounts_, memberships_); }
  std::string place(CgroupHost const& host, CgroupDuty duty) const {
    auto const* const found = host.place(duty);
    if (found == nullptr) return "(none)";
    return (found->version == CgroupVersion::v1 ? "v1 " : "v2 ") +
           found->folder.substr(root_.size());
  }

  std::string root_;
  std::string mounts_;
  std::string memberships_;
};

TEST_F(FakeHost, AV2HostHasEverythingInOneTree) {
  v2("/drover.scope", "cpu memory pids");
  auto const host = detect();
  for (auto const duty : {memory, pids, cpu, tree})
    EXPECT_EQ("v2 /unified/drover.scope", place(host, duty));
  EXPECT_EQ("(none)", place(host, freezer));
}

TEST_F(FakeHost, AV1HostHasEachWhereItIsMounted) {
  v1("memory", "/service");
  v1("pids", "/");
  v1("cpu,cpuacct", "/service");
  v1("freezer", "/");
  auto const host = detect();
  EXPECT_EQ("v1 /memory/service", place(host, memory));
  EXPECT_EQ("v1 /cpu,cpuacct/service", place(host, cpu));
  EXPECT_EQ("v1 /pids", place(host, pids));
  EXPECT_EQ("v1 /freezer", place(host, freezer));
  EXPECT_EQ("(none)", place(host, tree));
}

// As on a machine whose v2 hierarchy is there for systemd alone.
TEST_F(FakeHost, AMixedHostTakesEachControllerWhereItIs) {
  v2("/", "hugetlb");
  v1("memory", "/a");
  v1("pids", "/a");
  auto const host = detect();
  EXPECT_EQ("v1 /memory/a", place(host, memory));
  EXPECT_EQ("v1 /pids/a", place(host, pids));
  EXPECT_EQ("(none)", place(host, cpu));
  EXPECT_TRUE(place(host, tree).starts_with("v2 /unified"));
  EXPECT_TRUE(host.why_not(cpu).contains("cpu")) << host.why_not(cpu);
}

TEST_F(FakeHost, AControllerThatIsNotDelegatedIsMissedByItselfAndByItsName) {
  v2("/user.slice", "memory pids");
  file("unified/user.slice/cgroup.controllers", "cpu memory pids\n");
  // A subtree_control that takes no more, as for who does not own it.
  ASSERT_EQ(0, ::unlink((root_ + "/unified/user.slice/cgroup.subtree_control").c_str()));
  ASSERT_TRUE(make_folders(root_ + "/unified/user.slice/cgroup.subtree_control"));
  auto const host = detect();
  EXPECT_EQ("(none)", place(host, cpu));
  EXPECT_TRUE(host.why_not(cpu).contains("not delegated")) << host.why_not(cpu);
  EXPECT_TRUE(place(host, tree).starts_with("v2 ")) << "kill and freeze need no controller";
}

TEST_F(FakeHost, NoHierarchyIsNoPlaceAndSaysSo) {
  auto const host = detect();
  for (auto const duty : {memory, pids, cpu, freezer, tree}) {
    EXPECT_EQ("(none)", place(host, duty));
    EXPECT_TRUE(host.why_not(duty).contains("no mounted cgroup hierarchy"));
  }
  auto const limited = Cgroup::create(host, "x", {.memory_bytes = 1 << 20});
  ASSERT_FALSE(limited.has_value());
  EXPECT_EQ(ErrorCode::unsupported, limited.error().code);
  EXPECT_TRUE(Cgroup::create(host, "x", {}).has_value());
}

TEST_F(FakeHost, AFolderThatMayNotBeWrittenIsNoPlace) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  v1("memory", "/a");
  ASSERT_EQ(0, ::chmod((root_ + "/memory/a").c_str(), 0555));
  auto const host = detect();
  EXPECT_EQ("(none)", place(host, memory));
  EXPECT_TRUE(host.why_not(memory).contains("not writable")) << host.why_not(memory);
}

TEST_F(FakeHost, LimitsAreWrittenInTheWordsOfTheVersion) {
  v2("/s", "cpu memory pids");
  for (std::string const name : {"memory.max", "memory.swap.max", "pids.max", "cpu.max"})
    file("unified/s/drover-x/" + name, "");
  auto const group = Cgroup::create(detect(), "drover-x",
                                    {.memory_bytes = 64 << 20, .pids = 50, .cpu_milli = 1500});
  ASSERT_TRUE(group.has_value()) << group.error().text();
  EXPECT_EQ("67108864", content("unified/s/drover-x/memory.max"));
  EXPECT_EQ("0", content("unified/s/drover-x/memory.swap.max"));
  EXPECT_EQ("50", content("unified/s/drover-x/pids.max"));
  EXPECT_EQ("150000 100000", content("unified/s/drover-x/cpu.max"));
}

TEST_F(FakeHost, AV1ShareIsAtMostThatOfEachGroupAbove) {
  struct Case {
    char const* above;  // "quota period" of the top and of our own group
    char const* own;
    std::uint64_t asked;
    char const* quota;
    char const* period;
  };
  for (auto const& one : {Case{"-1 100000", "-1 100000", 500, "50000", "100000"},
                          Case{"-1 100000", "50000 200000", 2000, "25000", "100000"},
                          Case{"30000 100000", "-1 100000", 2000, "30000", "100000"},
                          Case{"1000 1000000", "-1 100000", 2000, "1000", "1000000"},
                          Case{"-1 100000", "-1 100000", 3, "3000", "1000000"}}) {
    FakeHost::mounts_.clear();
    FakeHost::memberships_.clear();
    v1("cpu", "/own");
    auto const put = [&](std::string const& folder, std::string const& words) {
      file(folder + "cpu.cfs_quota_us", words.substr(0, words.find(' ')) + "\n");
      file(folder + "cpu.cfs_period_us", words.substr(words.find(' ') + 1) + "\n");
    };
    put("cpu/", one.above);
    put("cpu/own/", one.own);
    put("cpu/own/drover-x/", "-1 100000");
    auto const group = Cgroup::create(detect(), "drover-x", {.cpu_milli = one.asked});
    ASSERT_TRUE(group.has_value()) << group.error().text();
    // The first bytes: a file is not a kernel's attribute, and keeps what is not overwritten.
    EXPECT_TRUE(content("cpu/own/drover-x/cpu.cfs_quota_us").starts_with(one.quota));
    EXPECT_TRUE(content("cpu/own/drover-x/cpu.cfs_period_us").starts_with(one.period));
  }
}

}  // namespace
}  // namespace drover::os
