#include "driver/command_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "driver/command_results.h"

namespace drover::driver {
namespace {

using ::testing::HasSubstr;

TEST(CapturedOutput, IsWholeWhileItFits) {
  CapturedOutput output;
  std::string all;
  for (int i = 0; i < 2000; ++i) {
    std::string const line = "line " + std::to_string(i) + "\n";
    output.add(line);
    all += line;
  }
  EXPECT_EQ(output.text(), all);
}

TEST(CapturedOutput, KeepsItsBeginningAndItsEndAndSaysWhatIsMissing) {
  CapturedOutput output;
  std::string const piece(10'000, 'x');
  std::size_t bytes = 0;
  output.add("BEGIN");
  for (; bytes < 2'000'000; bytes += piece.size())
    output.add(piece);
  output.add("END");
  auto const text = output.text();
  EXPECT_TRUE(text.starts_with("BEGIN"));
  EXPECT_TRUE(text.ends_with("END"));
  std::size_t const left_out = bytes + 8 - kOutputHeadBytes - kOutputTailBytes;
  EXPECT_THAT(text, HasSubstr("… " + std::to_string(left_out) + " bytes left out …"));
}

TEST(CapturedOutput, IsAlwaysUtf8) {
  CapturedOutput output;
  output.add(
      "a\xff"
      "b");
  EXPECT_EQ(output.text(),
            "a\xef\xbf\xbd"
            "b");
}

CommandEnd ended(std::int64_t code, std::string_view out = "") {
  CommandEnd end;
  end.exit_code = code;
  end.out.add(out);
  return end;
}

json::object shell_value(CommandWork const& work, CommandEnd const& end) {
  auto const result = command_result(work, end, std::nullopt);
  EXPECT_EQ(result.outcome, workflow::Outcome::ok);
  return result.value->as_object();
}

TEST(CommandResults, AShellIsAResultHoweverItEnds) {
  CommandWork work;
  EXPECT_EQ(json::serialize(shell_value(work, ended(0, "hi"))),
            R"({"success":true,"exitCode":0,"stdout":"hi","stderr":""})");
  auto const failed = shell_value(work, ended(2));
  EXPECT_EQ(failed.at("success"), false);
  EXPECT_EQ(failed.at("error").as_string(), "Shell command exited with code 2");
  work.expected_exit = 2;
  EXPECT_EQ(shell_value(work, ended(2)).at("success"), true);
  auto late = ended(137);
  late.how = CommandHow::timed_out;
  EXPECT_EQ(shell_value(work, late).at("timedOut"), true);
  EXPECT_EQ(shell_value(work, late).at("success"), false);
}

TEST(CommandResults, ANodeGivesWhatItLeftElseWhatItPrinted) {
  CommandWork work;
  work.kind = CommandWork::Kind::node;
  EXPECT_EQ(json::serialize(*command_result(work, ended(0, "9"), R"({"a":1})").value),
            R"({"a":1})");
  EXPECT_EQ(json::serialize(*command_result(work, ended(0, " [2] \n"), std::nullopt).value), "[2]");
  EXPECT_EQ(command_result(work, ended(0, "done."), std::nullopt).value->at("stdout").as_string(),
            "done.");
  EXPECT_EQ(command_result(work, ended(0), "no json").outcome, workflow::Outcome::error);
  auto const failed = command_result(work, ended(1, "x"), R"({"a":1})");
  EXPECT_EQ(failed.outcome, workflow::Outcome::error);
  EXPECT_EQ(failed.error.at("data").at("exitCode"), 1);
}

}  // namespace
}  // namespace drover::driver
