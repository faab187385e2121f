// Breakpoints of a workflow that a server drives: approvals that people answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "workflows/driven.h"

namespace drover::harness {
namespace {

using ::testing::HasSubstr;

class Breakpoint : public DrivenTest {
 protected:
  json::array approvals(std::string const& query = "?state=pending") {
    return flow_.world().api().get("/api/v1/approvals" + query).body.at("approvals").as_array();
  }
  // The one that waits.
  json::object asked() {
    json::object one;
    EXPECT_TRUE(eventually(
        [&] {
          auto const all = approvals();
          if (all.size() != 1) return false;
          one = all.at(0).as_object();
          return true;
        },
        kPatience))
        << flow_.world().server_log();
    return one;
  }
  Reply decide(json::object const& approval, json::object const& answer) {
    return flow_.world().api().post("/api/v1/approvals/" + text_of(approval, "id") + "/decision",
                                    answer);
  }
};

TEST_F(Breakpoint, IsAnApprovalWhoseAnswerTheProcessGets) {
  process(R"js(export async function process(inputs, ctx) {
    return ctx.breakpoint({ question: 'which colour?', options: ['red', 'blue'] }, { label: 'Paint', expert: 'owner', tags: ['look'] });
  })js");
  flow_.world().serve();
  start("w");
  auto const approval = asked();
  EXPECT_EQ(text_of(approval, "kind"), "breakpoint");
  EXPECT_EQ(text_of(approval, "title"), "Paint: which colour?");
  EXPECT_EQ(approval.at("subject").at("expert"), "owner");
  EXPECT_EQ(decide(approval, {{"decision", "approve"}, {"response", "green"}}).status, 400);
  EXPECT_EQ(decide(approval, {{"decision", "approve"}, {"digest", "0"}}).status, 409);
  auto const listed = flow_.world().drover({"approvals"});
  EXPECT_THAT(listed.text(), HasSubstr("which colour?"));
  auto const decided = flow_.world().drover({"approvals", "approve", text_of(approval, "id"),
                                             "--response", "blue", "--comment", "as the sky"});
  EXPECT_EQ(decided.exit_code, 0) << decided.text();
  ASSERT_TRUE(comes_to("w", "completed"));
  EXPECT_EQ(json::serialize(output("w")),
            R"({"approved":true,"feedback":"as the sky","response":"blue"})");
  EXPECT_EQ(decide(approval, {{"decision", "reject"}}).status, 409) << "a decision is made once";
}

TEST_F(Breakpoint, ARejectionIsAnAnswerAndTheNextAskingIsAnother) {
  process(R"js(export async function process(inputs, ctx) {
    const said = [];
    for (let i = 0; i < 2; ++i) said.push((await ctx.breakpoint({ question: 'good?', i }, { label: 'Gate' })).approved);
    return said;
  })js");
  flow_.world().serve();
  start("w");
  auto const first = asked();
  EXPECT_EQ(decide(first, {{"decision", "reject"}, {"comment", "not yet"}}).status, 200);
  ASSERT_TRUE(eventually([&] {
    auto const all = approvals();
    return all.size() == 1 && all.at(0).at("id") != first.at("id");
  }));
  EXPECT_EQ(decide(asked(), {{"decision", "approve"}}).status, 200);
  ASSERT_TRUE(comes_to("w", "completed"));
  EXPECT_EQ(json::serialize(output("w")), "[false,true]");
}

TEST_F(Breakpoint, ApprovalsInARowStandForTheNext) {
  process(R"js(export async function process(inputs, ctx) {
    const options = { label: 'Gate', breakpointId: 'gate', autoApproveAfterN: 2 };
    const said = [];
    for (let i = 0; i < 3; ++i) said.push(await ctx.breakpoint({ question: 'good?' }, options));
    return said.map((answer) => answer.autoApproved ?? false);
  })js");
  flow_.world().serve();
  start("w");
  std::string before;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(eventually([&] {
      auto const all = approvals();
      return all.size() == 1 && text_of(all.at(0).as_object(), "id") != before;
    }));
    auto const one = asked();
    before = text_of(one, "id");
    EXPECT_EQ(decide(one, {{"decision", "approve"}}).status, 200);
  }
  ASSERT_TRUE(comes_to("w", "completed"));
  EXPECT_EQ(json::serialize(output("w")), "[false,false,true]");
  EXPECT_EQ(approvals("?state=approved").size(), 3U);
}

TEST_F(Breakpoint, AStandingRuleAnswersTheNextOnesUntilItIsTakenBack) {
  process(R"js(export async function process(inputs, ctx) {
    const said = await ctx.breakpoint({ question: 'good?', options: ['go', 'stay'] }, { label: 'Gate', breakpointId: 'gate' });
    return [said.response, said.autoApproved ?? false];
  })js");
  flow_.world().serve();
  auto const made = flow_.world().drover(
      {"approvals", "rules", "add", "gate", "--response", "go", "--comment", "it never failed"});
  ASSERT_EQ(made.exit_code, 0) << made.text();
  std::string const rule = made.out.substr(0, made.out.find('\n'));
  start("w");
  ASSERT_TRUE(comes_to("w", "completed"));
  EXPECT_EQ(json::serialize(output("w")), R"(["go",true])");
  auto const decided = approvals("?state=approved");
  ASSERT_EQ(decided.size(), 1U);
  EXPECT_THAT(text_of(decided.at(0).as_object(), "comment"), HasSubstr(rule));
  EXPECT_THAT(flow_.world().drover({"approvals", "rules"}).out, HasSubstr("it never failed"));
  EXPECT_EQ(flow_.world().drover({"approvals", "rules", "rm", rule}).exit_code, 0);
  start("again");
  auto const waits = asked();
  EXPECT_EQ(decide(waits, {{"decision", "approve"}, {"response", "stay"}}).status, 200);
  ASSERT_TRUE(comes_to("again", "completed"));
}

TEST_F(Breakpoint, OutlivesTheServerBeforeAndAfterItIsAnswered) {
  process(R"js(export async function process(inputs, ctx) {
    return (await ctx.breakpoint({ question: 'good?' }, { label: 'Gate' })).response;
  })js");
  flow_.world().serve();
  start("w");
  auto const approval = asked();
  flow_.world().kill_server();
  flow_.world().serve();
  EXPECT_EQ(asked().at("id"), approval.at("id"));
  EXPECT_EQ(decide(approval, {{"decision", "approve"}, {"response", "yes"}}).status, 200);
  flow_.world().kill_server();
  flow_.world().serve();
  ASSERT_TRUE(comes_to("w", "completed"));
  EXPECT_EQ(output("w"), "yes");
}

TEST_F(Breakpoint, ThatIsAnsweredElsewhereOrCancelledCannotBeDecidedAnyMore) {
  process(R"js(export async function process(inputs, ctx) {
    return ctx.breakpoint({ question: 'good?' }, { label: 'Gate' });
  })js");
  flow_.world().serve();
  start("posted");
  auto const first = asked();
  EXPECT_EQ(post("posted/tasks/" + waits("posted") + "/result",
                 {{"value", json::object{{"approved", true}}}}),
            200);
  ASSERT_TRUE(comes_to("posted", "completed"));
  ASSERT_TRUE(eventually([&] { return approvals().empty(); }));
  EXPECT_EQ(decide(first, {{"decision", "approve"}}).status, 409);
  start("cancelled");
  auto const second = asked();
  EXPECT_EQ(post("cancelled/cancel", {}), 200);
  ASSERT_TRUE(eventually([&] { return approvals().empty(); }));
  EXPECT_EQ(decide(second, {{"decision", "approve"}}).status, 409);
}

}  // namespace
}  // namespace drover::harness
