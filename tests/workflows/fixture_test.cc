// What the SDK printed for its own runs, drover prints for them: run:iterate on every run of
// src/workflow/testdata that can be iterated, but for ids and times of what is new.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

namespace fs = std::filesystem;

std::string without_chance(std::string text) {
  text = std::regex_replace(text, std::regex{"01M[0-9A-HJKMNP-TV-Z]{23}"}, "ULID");
  text = std::regex_replace(text, std::regex{R"re("requestedAt": "[^"]*")re"},
                            R"("requestedAt": "TIME")");
  // A guess from state.json, which git does not keep.
  text =
      std::regex_replace(text, std::regex{R"("iteration(Count)?": [0-9]+)"}, R"("iteration": N)");
  // Of drover alone: what it set aside.
  return std::regex_replace(text, std::regex{R"(,\n  "warnings": \[[^\]]*\])"}, "");
}

class Fixture : public ::testing::TestWithParam<std::string> {};

TEST_P(Fixture, IsIteratedAsTheSdkDid) {
  World world;
  fs::copy(HARNESS_WORKFLOW_TESTDATA, world.root() + "/data", fs::copy_options::recursive);
  std::string const& name = GetParam();
  auto const slash = name.find('/');
  auto const printed = os::read_file(world.root() + "/data/" + name.substr(0, slash) + "/expected" +
                                     name.substr(slash) + "/run-iterate.stdout");
  ASSERT_TRUE(printed);
  auto const outcome = world.drover({"run:iterate", world.root() + "/data/" + name, "--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(without_chance(outcome.out), without_chance(*printed));
}

INSTANTIATE_TEST_SUITE_P(
    Sdk, Fixture,
    ::testing::Values("v0/completed", "v0/keys", "v0/pending-breakpoint", "v0/pending-node",
                      "v0/pending-sleep", "v6/completed", "v6/completed-parallel",
                      "v6/crash-journal-tmp", "v6/created", "v6/failed-effect-error",
                      "v6/failed-process-throw", "v6/keys", "v6/lock-stale",
                      "v6/pending-breakpoint", "v6/pending-node", "v6/pending-parallel",
                      "v6/pending-sleep", "v6/shell-error", "v6/state-drifted"),
    [](auto const& param) { return std::regex_replace(param.param, std::regex{"[/-]"}, "_"); });

}  // namespace
}  // namespace drover::harness
