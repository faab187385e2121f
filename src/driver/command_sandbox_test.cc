#include "driver/command_sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::driver {
namespace {

using sandbox::MountMode;
using ::testing::Contains;
using ::testing::Not;

CommandWork shell() {
  CommandWork work;
  work.program = "make";
  return work;
}

CommandPlace place() {
  CommandPlace place;
  place.id = "wf-1";
  place.folder = "/home/me/project";
  place.git = "/home/me/project/.git";
  place.runs_root = "/home/me/project/.a5c/runs";
  place.run_folder = "/home/me/project/.a5c/runs/r";
  place.exchange = "/home/me/project/.a5c/runs/r/tasks/E/exchange";
  place.run_id = "r";
  place.effect_id = "E";
  return place;
}

// The mode of the last mount that covers a path, which is the one that counts.
std::optional<MountMode> mode_of(sandbox::SandboxSpec const& spec, std::string_view path) {
  std::optional<MountMode> mode;
  for (auto const& mount : spec.mounts)
    if (is_within(path, mount.target)) mode = mount.mode;
  return mode;
}

TEST(CommandSandbox, TheFolderIsWritableAndItsGitAndRunsAreNot) {
  auto const spec = command_spec(shell(), place());
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->cwd, "/home/me/project");
  EXPECT_EQ(mode_of(*spec, "/home/me/project/src"), MountMode::rw);
  EXPECT_EQ(mode_of(*spec, "/home/me/project/.git/hooks"), MountMode::ro);
  EXPECT_EQ(mode_of(*spec, "/home/me/project/.a5c/runs/r/journal"), MountMode::ro);
  EXPECT_EQ(mode_of(*spec, "/home/me/project/.a5c/runs/other"), MountMode::ro);
  EXPECT_EQ(mode_of(*spec, "/home/me/.ssh"), std::nullopt);
  EXPECT_EQ(mode_of(*spec, std::string{kExchangeInside}), MountMode::rw);
}

TEST(CommandSandbox, ARunInItsOwnWorkingFolderIsKeptToo) {
  auto where = place();
  where.runs_root = where.folder;
  where.run_folder = where.folder + "/r";
  auto const spec = command_spec(shell(), where);
  ASSERT_TRUE(spec);
  EXPECT_EQ(mode_of(*spec, where.folder + "/r/journal"), MountMode::ro);
  EXPECT_EQ(mode_of(*spec, where.folder + "/x"), MountMode::rw);
}

TEST(CommandSandbox, TheDefinitionSaysHowMuchOfTheFolderThereIs) {
  auto work = shell();
  work.folder = FolderAccess::ro;
  EXPECT_EQ(mode_of(*command_spec(work, place()), "/home/me/project/src"), MountMode::ro);
  work.folder = FolderAccess::none;
  auto const without = command_spec(work, place());
  EXPECT_EQ(mode_of(*without, "/home/me/project/src"), std::nullopt);
  EXPECT_EQ(without->cwd, "/tmp");
  work.folder = FolderAccess::rw;
  work.git = FolderAccess::rw;
  EXPECT_EQ(mode_of(*command_spec(work, place()), "/home/me/project/.git/HEAD"), MountMode::rw);
}

TEST(CommandSandbox, ItWorksInItsFolderAndNowhereElse) {
  auto work = shell();
  work.cwd = "sub/";
  EXPECT_EQ(command_spec(work, place())->cwd, "/home/me/project/sub");
  for (auto const* const outside : {"..", "../project2", "/etc", "sub/../../x"}) {
    work.cwd = outside;
    EXPECT_FALSE(command_spec(work, place())) << outside;
  }
  auto everything = place();
  everything.folder = "/";
  work.cwd = "";
  EXPECT_FALSE(command_spec(work, everything));
}

TEST(CommandSandbox, NothingOfTheHostsEnvironmentComesIn) {
  auto work = shell();
  work.env = {"PATH=/mine", "BABYSITTER_OUTPUT_JSON=/etc/passwd"};
  auto const spec = command_spec(work, place());
  EXPECT_THAT(spec->env, Contains("PATH=/mine"));
  EXPECT_THAT(spec->env, Not(Contains("BABYSITTER_OUTPUT_JSON=/etc/passwd")));
  EXPECT_THAT(spec->env, Contains("BABYSITTER_OUTPUT_JSON=/run/drover/effect/output.json"));
  EXPECT_EQ(spec->argv, (std::vector<std::string>{"/bin/sh", "-c", "make", "sh"}));
}

TEST(CommandSandbox, AFolderIsNotWithinOneOfASimilarName) {
  EXPECT_TRUE(is_within("/a/b", "/a"));
  EXPECT_TRUE(is_within("/a", "/a"));
  EXPECT_FALSE(is_within("/ab", "/a"));
  EXPECT_FALSE(is_within("/a", "/a/b"));
}

}  // namespace
}  // namespace drover::driver
