// Runs that ask their user.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"

namespace drover::harness {
namespace {

constexpr std::string_view kAsks = R"([
  {"text": "Two ways.", "tool_calls": [
    {"name": "Write", "input": {"file_path": "plan.txt", "content": "left or right\n"}},
    {"name": "AskUserQuestion", "input": {"questions": [
      {"question": "Which one?", "options": [{"label": "left"}, {"label": "right"}]}]}}]},
  {"expect": {"last_user_text_contains": "left"}, "text": "Went left."}])";

class Question : public ::testing::Test {
 protected:
  Question() : repository_(world_.repository("project")) { world_.serve(); }

  RunRef ask(json::object limits = {}) {
    Api api = world_.api();
    auto invocation =
        World::invocation(api.add_workspace(repository_.path()), world_.model(kAsks), "go");
    if (!limits.empty()) invocation["limits"] = std::move(limits);
    auto const run = api.dispatch(invocation);
    EXPECT_TRUE(eventually([&] { return text_of(api.run(run.run), "state") == "waiting"; }))
        << json::serialize(api.run(run.run));
    return run;
  }

  // What everybody who followed the run from its begin has seen by its end.
  void expect_ended(RunRef const& run, std::string_view state, std::string_view reason) {
    Api api = world_.api();
    auto const events = api.events(run);
    EXPECT_EQ(fault_of(events, run.run), "");
    EXPECT_EQ(text_of(events.back().data, "state"), state);
    EXPECT_EQ(text_of(events.back().data, "reason"), reason);
    EXPECT_EQ(std::ranges::count(events, "turn-complete", &Event::type), 1);
    auto const now = api.run(run.run);
    EXPECT_TRUE(now.at("answer_by").is_null());
    EXPECT_EQ(text_of(now, "state"), state);
  }

  World world_;
  Repository repository_;
};

TEST_F(Question, TheCommandShowsItAndSaysHowToAnswer) {
  auto const asked = world_.drover(
      {"run", "-w", repository_.path(), "--model", world_.model(kAsks), "which way?"});
  EXPECT_EQ(asked.exit_code, 4) << asked.text();
  EXPECT_NE(asked.text().find("Which one?"), std::string::npos) << asked.text();
  EXPECT_NE(asked.text().find("left"), std::string::npos) << asked.text();
  EXPECT_NE(asked.text().find("drover send "), std::string::npos) << asked.text();
  EXPECT_EQ(repository_.git({"show", "HEAD:plan.txt"}), "left or right")
      << "what the turn did is committed while it waits";
}

TEST_F(Question, TheAnswerIsARunOfTheSessionAndEndsTheOneThatAsked) {
  auto const run = ask();
  auto const answer = world_.drover({"send", "--json", run.session, "left, please"});
  EXPECT_EQ(answer.exit_code, 0) << answer.text();
  EXPECT_EQ(text_of(answer.lines().back(), "reply"), "Went left.");
  expect_ended(run, "succeeded", "completed");
}

TEST_F(Question, NoProcessIsHeldForItAndAKilledServerKeepsIt) {
  auto const run = ask({{"idle_s", 1}});
  EXPECT_TRUE(eventually([&] { return world_.units().empty(); }));
  world_.kill_server();
  world_.serve();
  Api api = world_.api();
  EXPECT_EQ(text_of(api.run(run.run), "state"), "waiting");
  EXPECT_EQ(text_of(api.run(run.run), "detail"), "Which one?");
  auto const next = api.send_message(run.session, "left");
  EXPECT_EQ(text_of(last_of(api.events(next), "turn-complete"), "reply"), "Went left.");
  expect_ended(run, "succeeded", "completed");
}

TEST_F(Question, AMessageThatWaitsAlreadyIsTheAnswer) {
  Api api = world_.api();
  auto const model = world_.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "until [ -e go ]; do sleep 0.05; done"}}]},
    {"tool_calls": [{"name": "AskUserQuestion", "input": {"questions": [{"question": "Which?"}]}}]},
    {"expect": {"last_user_text_contains": "left"}, "text": "Left it is."}])");
  auto const run =
      api.dispatch(World::invocation(api.add_workspace(repository_.path()), model, "go"));
  ASSERT_TRUE(api.await_event(run, "tool-call"));
  auto const next = api.send_message(run.session, "left");
  repository_.write("go", "");
  EXPECT_EQ(text_of(last_of(api.events(next), "turn-complete"), "reply"), "Left it is.");
  expect_ended(run, "succeeded", "completed");
}

TEST_F(Question, CanBeCancelled) {
  auto const run = ask();
  auto const outcome = world_.drover({"cancel", run.run});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  expect_ended(run, "cancelled", "cancelled_by_user");
}

TEST_F(Question, NobodyAnswersInTime) {
  auto const run = ask({{"wait_s", 1}});
  world_.stop_server();
  std::this_thread::sleep_for(Millis{1'100});
  world_.serve();
  expect_ended(run, "failed", "input_timeout");
  Api api = world_.api();
  EXPECT_EQ(text_of(last_of(api.events(run), "limit"), "which"), "wait_s");
}

}  // namespace
}  // namespace drover::harness
