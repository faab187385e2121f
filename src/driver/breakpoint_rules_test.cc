#include "driver/breakpoint_rules.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "driver/workflow_store.h"
#include "store/scratch.h"

namespace drover::driver {
namespace {

using ::testing::HasSubstr;

BreakpointRule rule(std::string_view text) {
  auto parsed = parse_rule(text);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return parsed.value_or(BreakpointRule{});
}
Question asked(std::string breakpoint, std::vector<std::string> options = {}) {
  Question question;
  question.breakpoint = std::move(breakpoint);
  question.options = std::move(options);
  return question;
}

TEST(BreakpointRule, AnswersTheBreakpointThatItNames) {
  auto const one = rule(R"({"breakpoint": "gate"})");
  EXPECT_TRUE(answers(one, asked("gate"), "nightly"));
  EXPECT_FALSE(answers(one, asked("gate-2"), "nightly"));
  auto const open = rule(R"({"breakpoint": "gate*"})");
  EXPECT_TRUE(answers(open, asked("gate-2"), "nightly"));
  EXPECT_FALSE(answers(open, asked("the-gate"), "nightly"));
}

TEST(BreakpointRule, OfOneProcessAnswersNoOther) {
  auto const one = rule(R"({"breakpoint": "*", "process": "nightly"})");
  EXPECT_TRUE(answers(one, asked("anything"), "nightly"));
  EXPECT_FALSE(answers(one, asked("anything"), "weekly"));
}

TEST(BreakpointRule, AnswersAQuestionWithOptionsByOneOfThemOrNotAtAll) {
  EXPECT_FALSE(answers(rule(R"({"breakpoint": "gate"})"), asked("gate", {"red", "blue"}), "p"));
  auto const blue = rule(R"({"breakpoint": "gate", "response": "blue"})");
  EXPECT_TRUE(answers(blue, asked("gate", {"red", "blue"}), "p"));
  EXPECT_FALSE(answers(blue, asked("gate", {"red", "green"}), "p"));
}

TEST(BreakpointRule, WhatWouldAnswerEverythingIsRefused) {
  for (std::string const text :
       {R"({"breakpoint": "*"})", R"({})", R"({"breakpoint": ""})", R"({"breakpoint": "a*b"})",
        R"({"breakpoint": "a", "colour": "red"})", R"({"breakpoint": 1})", R"([])"})
    EXPECT_FALSE(parse_rule(text)) << text;
}

TEST(BreakpointRule, TheOldestThatFitsAnswersAndSaysWhoseItIs) {
  store::Scratch scratch;
  auto database = store::Database::open(scratch.path("state.db"), store::OpenMode::writer);
  ASSERT_TRUE(database);
  ASSERT_TRUE(store::migrate(*database, workflow_migrations()));
  auto first = rule(R"({"breakpoint": "gate", "comment": "it never failed"})");
  first.id = "rul-b";
  first.actor = "user:ann";
  first.created_at = from_unix_ms(1000);
  auto second = rule(R"({"breakpoint": "gate*"})");
  second.id = "rul-a";
  second.created_at = from_unix_ms(2000);
  ASSERT_TRUE(insert_rule(*database, second));
  ASSERT_TRUE(insert_rule(*database, first));
  auto const found = rule_for(*database, asked("gate"), "p");
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->id, "rul-b");
  auto const verdict = verdict_of(**found);
  EXPECT_TRUE(verdict.approved);
  EXPECT_EQ(verdict.by, AnsweredBy::rule);
  EXPECT_THAT(verdict.comment, HasSubstr("rul-b of user:ann: it never failed"));
  ASSERT_TRUE(remove_rule(*database, "rul-b"));
  EXPECT_EQ((*rule_for(*database, asked("gate"), "p"))->id, "rul-a");
  EXPECT_EQ(remove_rule(*database, "rul-b").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace drover::driver
