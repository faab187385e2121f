#include "driver/host_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "driver/command_sandbox.h"
#include "driver/host_sandbox.h"
#include "os/files.h"

namespace drover::driver {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class View : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/drover-view-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = *os::real_path(name);
    surroundings_.home = root_ + "/home";
    std::filesystem::create_directories(surroundings_.home);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string file(std::string const& path, std::string const& text = "{}") {
    auto const whole = root_ + "/" + path;
    std::filesystem::create_directories(std::filesystem::path{whole}.parent_path());
    EXPECT_TRUE(os::write_file_atomic(whole, text));
    return whole;
  }
  // A run directory of that name; `folder` is what it was made in.
  workflow::HostPlace place(std::string const& entry, std::string const& run,
                            std::string const& folder = "") {
    workflow::HostPlace place;
    place.entry = entry;
    place.run_folder = std::filesystem::path{file(run + "/run.json")}.parent_path().string();
    place.working_folder = folder.empty() ? "" : root_ + "/" + folder;
    return place;
  }
  // What a path inside is on disk; empty: it is not there. Of the mounts the last one counts.
  static std::string seen(HostView const& view, std::string const& path) {
    std::string found;
    for (auto const& mount : view.mounts)
      if (is_within(path, mount.target)) found = mount.source + path.substr(mount.target.size());
    return os::exists(found) ? found : "";
  }

  std::string root_;
  HostSurroundings surroundings_;
};

TEST_F(View, AProcessSeesItsPackageAndWhatThatNeeds) {
  auto const entry = file("work/app/flows/deep/flow.mjs");
  file("work/app/package.json");
  auto const helper = file("work/app/lib/helper.mjs");
  auto const outer = file("work/node_modules/x/index.js");
  auto const other = file("work/other/secret");
  auto const view = host_view(place(entry, "runs/r"), surroundings_);
  ASSERT_TRUE(view) << view.error().message;
  for (auto const& path : {entry, helper, outer, root_ + "/runs/r/run.json"})
    EXPECT_EQ(seen(*view, path), path);
  EXPECT_EQ(seen(*view, other), "");
  for (auto const& mount : view->mounts)
    EXPECT_EQ(mount.mode, sandbox::MountMode::ro) << mount.target;
}

TEST_F(View, AWorkspaceOfPackagesIsShownWhole) {
  auto const entry = file("mono/packages/a/flow.mjs");
  file("mono/packages/a/package.json");
  file("mono/package.json", R"({"workspaces": ["packages/*"]})");
  auto const sibling = file("mono/packages/b/index.js");
  auto const view = host_view(place(entry, "runs/r"), surroundings_);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(seen(*view, sibling), sibling);
}

TEST_F(View, OtherRunsAreNotThereWhereverTheyLie) {
  auto const entry = file("app/flow.mjs");
  auto const own = place(entry, "app/.a5c/runs/r", "app");
  auto const other = file("app/.a5c/runs/other/inputs.json");
  auto const view = host_view(own, surroundings_);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(view->cwd, root_ + "/app");
  EXPECT_EQ(seen(*view, other), "");
  EXPECT_EQ(seen(*view, own.run_folder + "/run.json"), own.run_folder + "/run.json");
  // Also where the process lies beside them.
  auto const beside = place(file("flat/flow.mjs"), "flat/r", "flat");
  auto const flat_other = file("flat/other/run.json");
  auto const flat = host_view(beside, surroundings_);
  ASSERT_TRUE(flat) << flat.error().message;
  EXPECT_EQ(seen(*flat, beside.entry), beside.entry);
  EXPECT_EQ(seen(*flat, flat_other), "");
  EXPECT_EQ(seen(*flat, beside.run_folder + "/run.json"), beside.run_folder + "/run.json");
}

TEST_F(View, DroversOwnStateIsNotThereButForTheRun) {
  surroundings_.hidden = {root_ + "/app/state"};
  auto const own = place(file("app/flow.mjs"), "app/state/workflows/r", "app");
  auto const token = file("app/state/api-token");
  auto const view = host_view(own, surroundings_);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(seen(*view, token), "");
  EXPECT_EQ(seen(*view, own.run_folder + "/run.json"), own.run_folder + "/run.json");
  auto const inside = host_view(place(file("app/state/flow.mjs"), "runs/r"), surroundings_);
  ASSERT_FALSE(inside);
  EXPECT_THAT(inside.error().message, HasSubstr("no process sees"));
}

TEST_F(View, AHomeIsNeverShownWhole) {
  auto const entry = file("home/flow.mjs");
  auto const key = file("home/.ssh/id");
  file("home/package.json");
  auto const view = host_view(place(entry, "runs/r", "home"), surroundings_);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(seen(*view, entry), entry);
  EXPECT_EQ(seen(*view, key), "");
  EXPECT_EQ(view->cwd, "/tmp");
}

TEST_F(View, WhatItsOwnerKeepsToHimselfStaysHis) {
  auto const entry = file("app/flow.mjs");
  auto const ownership_with = [&](std::filesystem::perms mode) {
    std::filesystem::permissions(root_ + "/app", mode);
    auto const view = host_view(place(entry, "runs/r"), surroundings_);
    EXPECT_TRUE(view);
    return view->mounts.front().ownership;
  };
  // A private file of a folder that everybody may read is private; a private folder is the agent's.
  EXPECT_EQ(ownership_with(std::filesystem::perms{0755}), sandbox::Ownership::as_on_disk);
  EXPECT_EQ(ownership_with(std::filesystem::perms{0700}), sandbox::Ownership::owner_is_agent);
}

TEST_F(View, TheSandboxHasNothingOfDroversEnvironmentAndIsBounded) {
  ASSERT_EQ(::setenv("SECRET_OF_DROVER", "hush", 1), 0);
  surroundings_.language = {"TZ=Europe/Berlin"};
  auto view = host_view(place(file("app/flow.mjs"), "runs/r"), surroundings_);
  ASSERT_TRUE(view);
  workflow::HostLaunch launch;
  launch.program = "1";
  launch.in = 8;
  launch.out = 9;
  auto const spec = host_spec_of(launch, *std::move(view), {"/usr/bin/node", {}}, surroundings_);
  EXPECT_THAT(spec.env, Contains("TZ=Europe/Berlin"));
  EXPECT_THAT(spec.env, Not(Contains(HasSubstr("hush"))));
  EXPECT_GT(spec.limits.memory_mb.value, 0U);
  EXPECT_GT(spec.limits.pids.value, 0U);
  EXPECT_EQ(spec.inherited.size(), 2U);
  ::unsetenv("SECRET_OF_DROVER");
}

TEST(HostWalls, TheSettingIsOnUnlessItSaysOff) {
  EXPECT_EQ(parse_host_wall("").value(), HostWall::sandbox);
  EXPECT_EQ(parse_host_wall("on").value(), HostWall::sandbox);
  EXPECT_EQ(parse_host_wall("off").value(), HostWall::none);
  EXPECT_FALSE(parse_host_wall("of"));
}

}  // namespace
}  // namespace drover::driver
