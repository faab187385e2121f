// What a spec becomes for bubblewrap, and what it refuses. That it holds off what the other holds
// off is tests/attacks'; here run the calls of a Sandbox.
#include "sandbox/bubblewrap.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sandbox/bubblewrap_child.h"
#include "sandbox/probe.h"
#include "sandbox/testing.h"

namespace drover::sandbox {
namespace {

std::vector<std::string> arguments_of(SandboxSpec const& spec) {
  BubblewrapFds fds;
  fds.filter = 70;
  fds.gate = 71;
  fds.info = 72;
  fds.files.assign(bubblewrap_files(spec).size(), 73);
  return bubblewrap_arguments(spec, {{"/usr", ""}, {"/bin", "usr/bin"}}, fds);
}

bool has(std::vector<std::string> const& list, std::vector<std::string> const& part) {
  return !std::ranges::search(list, part).empty();
}

TEST(Bubblewrap, EveryWallIsAskedForAndTheProgramComesLast) {
  auto const list = arguments_of(script_spec("true"));
  for (std::string const wall :
       {"--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
        "--unshare-cgroup", "--disable-userns", "--new-session", "--as-pid-1"})
    EXPECT_TRUE(has(list, {wall})) << wall;
  EXPECT_TRUE(has(list, {"--cap-drop", "ALL"}));
  EXPECT_TRUE(has(list, {"--seccomp", "70", "--block-fd", "71"}));
  EXPECT_TRUE(has(list, {"--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"}));
  EXPECT_TRUE(has(list, {"--remount-ro", "/", "--chdir", "/", "--", "/bin/sh", "-c", "true"}));
  EXPECT_FALSE(has(list, {"--setenv"})) << "arguments are seen by others";
}

TEST(Bubblewrap, WhatItCannotDoIsRefusedByName) {
  TemporaryFolder folder;
  auto spec = script_spec("true");
  EXPECT_TRUE(fits_bubblewrap(spec, 1234));
  EXPECT_TRUE(fits_bubblewrap(spec, 0).error().text().contains("runs as root"));
  spec.rootfs = "/srv/root";
  EXPECT_TRUE(fits_bubblewrap(spec, 1234).error().text().contains("root file system"));
  spec.rootfs.clear();
  spec.mounts = {{folder.path(), "/workspace", MountMode::rw, Ownership::owner_is_agent}};
  auto const foreign = fits_bubblewrap(spec, ::geteuid() + 1);
  EXPECT_TRUE(foreign.error().text().contains(folder.path())) << foreign.error().text();
  ASSERT_EQ(0, ::symlink("/etc", (folder / "link").c_str()));
  spec.mounts = {{folder / "link", "/x"}};
  EXPECT_TRUE(fits_bubblewrap(spec, 1234).error().text().contains("symbolic link"));
}

// As root there is no such launcher to be had, which the test above says.
class LiveBubblewrap : public ::testing::Test {
 protected:
  void SetUp() override {
    if (is_root()) GTEST_SKIP() << "root needs no bubblewrap";
    if (auto const found = find_bubblewrap(); !found) GTEST_SKIP() << found.error().text();
    auto made = Launcher::create(Maker::bubblewrap);
    ASSERT_TRUE(made) << made.error().text();
    launcher_ = *made;
  }
  std::shared_ptr<Launcher> launcher_;
};

TEST_F(LiveBubblewrap, TheProgramIsPidOneAndTheAgentAndWhatIsLostIsNamed) {
  int ends[2];
  ASSERT_EQ(0, ::pipe2(ends, O_CLOEXEC));
  os::Fd const read{ends[0]};
  os::Fd write{ends[1]};
  auto spec = script_spec("echo $$; id -u; id -un; pwd; tr '\\0' '\\n' </proc/1/environ; exit 7");
  spec.files = {{"/tmp/given", "x"}};
  spec.out = spec.err = write.get();
  bool recorded = false;
  auto sandbox = launcher_->launch(spec, [&](SandboxTrace const& trace) -> Status {
    recorded = trace.pid > 1 && trace.start_ticks > 0;
    return {};
  });
  write.reset();
  ASSERT_TRUE(sandbox) << sandbox.error().text();
  EXPECT_TRUE(recorded);
  auto const output = os::read_all(read.get(), "output", 65536).value();
  EXPECT_TRUE(output.starts_with("1\n1000\nagent\n/\n")) << output;
  EXPECT_TRUE(output.contains("HOME=/home/agent")) << output;
  EXPECT_FALSE(output.contains("TERM=")) << output;
  EXPECT_EQ(7, sandbox->wait(kPatience)->value().status.code);
  for (std::string const lost : {"landlock", "inodes"})
    EXPECT_NE(sandbox->unenforced().end(), std::ranges::find(sandbox->unenforced(), lost));
}

TEST_F(LiveBubblewrap, ItFreezesThawsAndDiesAsAnyOther) {
  TemporaryFolder folder;
  auto spec = script_spec("trap '' TERM; while :; do echo x >>/workspace/progress; done");
  spec.mounts = {{folder.path(), "/workspace", MountMode::rw, Ownership::owner_is_agent}};
  auto sandbox = launcher_->launch(spec);
  ASSERT_TRUE(sandbox) << sandbox.error().text();
  auto const size = [&] {
    struct stat info{};
    return ::stat((folder / "progress").c_str(), &info) == 0 ? info.st_size : 0;
  };
  while (size() == 0)
    ::usleep(1000);
  ASSERT_TRUE(sandbox->freeze());
  auto const at = size();
  ::usleep(100'000);
  EXPECT_EQ(at, size());
  ASSERT_TRUE(sandbox->thaw());
  while (size() == at)
    ::usleep(1000);
  ASSERT_TRUE(sandbox->kill());
  EXPECT_EQ(SIGKILL, sandbox->wait(kPatience)->value().status.signal);
}

TEST_F(LiveBubblewrap, TheProbeSeesEveryOtherWallAndNamesTheTwoThatAreMissing) {
  for (auto const& layer : probe(*launcher_)) {
    bool const lost = layer.name == "landlock" || layer.name == "inodes";
    bool const of_cgroups = layer.name == "memory" || layer.name == "cpu";
    if (!of_cgroups)
      EXPECT_EQ(lost, layer.state == LayerState::missing) << layer.name << ": " << layer.how;
  }
}

TEST_F(LiveBubblewrap, ARecordThatFailsLetsNoProgramRun) {
  TemporaryFolder folder;
  auto spec = script_spec("echo ran >/workspace/ran");
  spec.mounts = {{folder.path(), "/workspace", MountMode::rw, Ownership::owner_is_agent}};
  auto const refused = launcher_->launch(
      spec, [](SandboxTrace const&) -> Status { return fail(ErrorCode::no_space, "no record"); });
  EXPECT_EQ("no record", refused.error().message);
  EXPECT_FALSE(os::exists(folder / "ran"));
}

}  // namespace
}  // namespace drover::sandbox
