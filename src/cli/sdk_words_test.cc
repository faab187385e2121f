#include "cli/sdk_words.h"

#include <gtest/gtest.h>

#include "cli/command_line.h"

namespace drover::cli {
namespace {

Result<SdkWords> parse(std::vector<std::string> const& words) {
  return parse_sdk_words(words);
}

TEST(SdkWords, OptionsStandAnywhere) {
  auto const words =
      parse({"task:post", "--json", "run-1", "--status", "ok", "effect", "--value-inline", "1"});
  ASSERT_TRUE(words);
  EXPECT_EQ(words->positional, (std::vector<std::string>{"run-1", "effect"}));
  EXPECT_EQ(words->option("--status"), "ok");
  EXPECT_EQ(words->option("--value-inline"), "1");
  EXPECT_TRUE(words->flag("--json"));
  EXPECT_EQ(words->argument(2), "");
}

TEST(SdkWords, AnOptionWithoutItsValueIsAnError) {
  EXPECT_EQ(parse({"run:create", "--entry"}).error().message, "--entry needs a value");
}

TEST(SdkWords, TheSdksSpellingsAreTakenAsTheyAre) {
  for (auto const* const name : {"run:create", "run:iterate", "task:post", "run:repair-journal",
                                 "run:halt", "run:recover-process-error"}) {
    std::vector<std::string> const words = {name, "x"};
    auto const line = parse_command_line(words);
    ASSERT_TRUE(line) << name;
    EXPECT_EQ(std::get<SdkCommand>(line->command).words, words);
  }
  EXPECT_FALSE(is_sdk_command("run"));
  EXPECT_FALSE(is_sdk_command("session:init"));
}

TEST(SdkWords, DroversOwnSpellingTakesTheSameThings) {
  std::vector<std::string> const words = {"workflow", "post", "run-1", "effect", "--value", "1"};
  auto const line = parse_command_line(words);
  ASSERT_TRUE(line);
  auto const& command = std::get<WorkflowCommand>(line->command);
  EXPECT_EQ(command.act, WorkflowAct::post);
  EXPECT_EQ(command.run, "run-1");
  EXPECT_EQ(command.effect, "effect");
  std::vector<std::string> const neither = {"workflow", "post", "run-1", "effect"};
  EXPECT_FALSE(parse_command_line(neither));
}

}  // namespace
}  // namespace drover::cli
