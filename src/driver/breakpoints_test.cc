#include "driver/breakpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "driver/breakpoint_store.h"
#include "driver/workflow_store.h"
#include "store/scratch.h"

namespace drover::driver {
namespace {

using ::testing::HasSubstr;

EffectJob job(std::string_view metadata, std::string effect = "E1") {
  EffectJob made;
  made.workflow.id = "w";
  made.workflow.process_id = "flow";
  made.effect.id = std::move(effect);
  made.effect.label = "Ship";
  made.definition = json::object{{"kind", "breakpoint"}, {"metadata", *parse_json(metadata)}};
  return made;
}

TEST(Breakpoints, AQuestionHasAllThatIsDecidedOn) {
  auto const question = question_of(job(
      R"({"payload":{"question":"ship it?","options":["yes",{"label":"no"}]},"breakpointId":"ship",
          "expert":"owner","tags":["release"],"autoApproveAfterN":3})"));
  ASSERT_TRUE(question) << question.error().text();
  EXPECT_EQ(question->title, "Ship: ship it?");
  EXPECT_EQ(question->breakpoint, "ship");
  EXPECT_EQ(question->options, (std::vector<std::string>{"yes", "no"}));
  EXPECT_EQ(question->auto_after, 3);
  auto const subject = json::serialize(question->subject);
  for (auto const* const part : {R"("workflow":"w")", R"("effect":"E1")", R"("expert":"owner")",
                                 R"("tags":["release"])", R"("question":"ship it?")"})
    EXPECT_THAT(subject, HasSubstr(part));
  EXPECT_FALSE(question_of(job(R"({"payload":{"options":[1]}})")));
}

TEST(Breakpoints, AnAnswerIsOneOfTheOptions) {
  Question question;
  Verdict answer;
  answer.approved = true;
  answer.response = "free words";
  EXPECT_TRUE(check_answer(question, answer));
  question.options = {"a", "b"};
  EXPECT_THAT(check_answer(question, answer).error().next, HasSubstr("a, b"));
  answer.response = "b";
  EXPECT_TRUE(check_answer(question, answer));
  answer.response = "";
  EXPECT_FALSE(check_answer(question, answer));
  answer.approved = false;
  EXPECT_TRUE(check_answer(question, answer));
}

TEST(Breakpoints, ARejectionIsAResult) {
  Verdict answer;
  answer.comment = "not yet";
  EXPECT_EQ(json::serialize(answer_value(answer)),
            R"({"approved":false,"response":"not yet","feedback":"not yet"})");
}

class BreakpointStore : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<store::Migration> all = workflow_migrations();
    for (auto const& each : worker::approval_migrations())
      all.push_back(each);
    ASSERT_TRUE(store::migrate(database_, all));
  }
  Opened open(std::string const& effect) {
    auto const asked =
        job(R"({"payload":{"question":"?"},"breakpointId":"b","autoApproveAfterN":2})", effect);
    auto opened = open_breakpoint(database_, asked, *question_of(asked), WallTime{});
    EXPECT_TRUE(opened) << opened.error().text();
    return *opened;
  }
  Result<worker::Approval> answer(std::string const& effect, bool approved) {
    Verdict answer;
    answer.approved = approved;
    answer.response = "r";
    return answer_breakpoint(database_, approval_of("w", effect), answer, WallTime{});
  }
  store::Scratch scratch_;
  store::Database database_{scratch_.open()};
};

TEST_F(BreakpointStore, IsAskedOnceAndAnsweredOnce) {
  EXPECT_FALSE(open("E1").answer);
  EXPECT_FALSE(open("E1").answer);
  EXPECT_EQ(worker::list_approvals(database_, {})->size(), 1U);
  ASSERT_TRUE(answer("E1", true));
  EXPECT_EQ(answer("E1", false).error().code, ErrorCode::conflict);
  auto const again = open("E1");
  ASSERT_TRUE(again.answer);
  EXPECT_TRUE(again.answer->approved);
  EXPECT_EQ(again.answer->response, "r");
}

TEST_F(BreakpointStore, ApprovalsInARowStandForTheNextUntilOneIsRejected) {
  for (auto const* const effect : {"E1", "E2"}) {
    EXPECT_FALSE(open(effect).answer);
    ASSERT_TRUE(answer(effect, true));
  }
  auto const third = open("E3");
  ASSERT_TRUE(third.answer);
  EXPECT_EQ(third.answer->by, AnsweredBy::rule);
  // Somebody has asked for the fourth before, and rejects the fifth, which asks again.
  EXPECT_FALSE(answer("E3", true));
  EXPECT_TRUE(open("E4").answer);
  ASSERT_TRUE(database_.run("UPDATE breakpoints SET approved=0 WHERE approval=?",
                            approval_of("w", "E4").str()));
  EXPECT_FALSE(open("E5").answer);
}

TEST_F(BreakpointStore, WhatNobodyWaitsForCannotBeDecided) {
  (void)open("E1");
  ASSERT_TRUE(withdraw_breakpoint(database_, approval_of("w", "E1"), WallTime{}));
  EXPECT_EQ(answer("E1", true).error().code, ErrorCode::conflict);
  EXPECT_TRUE(withdraw_breakpoint(database_, approval_of("w", "none"), WallTime{}));
}

}  // namespace
}  // namespace drover::driver
