// A run that somebody stops.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"

namespace drover::harness {
namespace {

constexpr Millis kGrace{3'500};

constexpr std::string_view kSleep =
    R"([{"tool_calls": [{"name": "Bash", "input": {"command": "echo begun > half.txt; (setsid sleep 600 &) ; sleep 600"}}]},
        {"text": "too late"}])";

TEST(Cancel, EndsARunAndEveryProcessOfIt) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const run = api.dispatch(
      World::invocation(api.add_workspace(repository.path()), world.model(kSleep), "go"));
  ASSERT_TRUE(api.await_event(run, "tool-call"));
  ASSERT_TRUE(eventually([&] { return repository.has("half.txt"); }));

  auto const outcome = world.drover({"cancel", run.run});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  auto const asked = uptime();
  auto const events = api.events(run);
  EXPECT_LT(uptime() - asked, Millis{1'000} + kGrace);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "cancelled");
  EXPECT_EQ(text_of(events.back().data, "reason"), "cancelled_by_user");
  EXPECT_TRUE(
      eventually([&] { return processes_below(world.server_pid()).empty(); }, Millis{1'000}));
  EXPECT_TRUE(world.cgroups().empty());
  // Its half-done change is not the user's to clean up.
  EXPECT_EQ(repository.status(), "");
  EXPECT_EQ(repository.git({"show", "refs/drover/rescue/" + run.run + ":half.txt"}), "begun");

  auto const again = api.post("/api/v1/runs/" + run.run + "/cancel", {});
  EXPECT_EQ(again.status, 409) << again.text;
}

TEST(Cancel, TheFollowerOfACancelledRunExitsWithOne) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  auto const follower = world.start_drover(
      {"run", "--json", "-w", repository.path(), "--model", world.model(kSleep), "go"});
  ASSERT_TRUE(follower->prints("\"tool-call\""));
  Api api = world.api();
  auto const runs = api.get("/api/v1/runs?state=running").body;
  std::string const run = text_of(runs.at("runs").at(0).as_object(), "id");
  EXPECT_EQ(api.post("/api/v1/runs/" + run + "/cancel", {}).status, 202);
  auto const outcome = follower->finish();
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  EXPECT_EQ(text_of(outcome.lines().back(), "state"), "cancelled");
}

TEST(Cancel, ASessionGoesOnAfterIt) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "sleep 600"}}]},
    {"expect": {"last_user_text_contains": "something else"}, "text": "Gladly."}])");
  auto const run =
      api.dispatch(World::invocation(api.add_workspace(repository.path()), model, "go"));
  ASSERT_TRUE(api.await_event(run, "tool-call"));
  ASSERT_EQ(api.post("/api/v1/runs/" + run.run + "/cancel", {}).status, 202);
  ASSERT_EQ(text_of(last_of(api.events(run), "turn-complete"), "state"), "cancelled");
  auto const outcome = world.drover({"send", "--json", run.session, "do something else"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(text_of(outcome.lines().back(), "reply"), "Gladly.");
}

TEST(Cancel, AQueuedRunNeverStarts) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const workspace = api.add_workspace(repository.path());
  auto const busy = api.dispatch(World::invocation(workspace, world.model(kSleep), "go"));
  ASSERT_TRUE(api.await_event(busy, "tool-call"));
  auto const waiting = api.dispatch(World::invocation(workspace, world.model(kSleep), "go"));
  EXPECT_EQ(text_of(api.run(waiting.run), "state"), "queued");

  EXPECT_EQ(api.post("/api/v1/runs/" + waiting.run + "/cancel", {}).status, 202);
  auto const events = api.events(waiting);
  EXPECT_EQ(fault_of(events, waiting.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "cancelled");
  EXPECT_EQ(count_of(events, "turn-accepted"), 0U);
  EXPECT_EQ(text_of(api.run(busy.run), "state"), "running");
  EXPECT_EQ(api.post("/api/v1/runs/" + busy.run + "/cancel", {}).status, 202);
  (void)api.events(busy);
}

// It waits for its second attempt; what the first left in the tree is not the user's to clean up.
TEST(Cancel, BetweenTwoAttemptsTheTreeIsGivenBack) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto invocation =
      World::invocation(api.add_workspace(repository.path()), world.model(kSleep), "go");
  invocation["retry"] = {{"delay_s", 3600}, {"backoff", "fixed"}, {"jitter", "none"}};
  auto const run = api.dispatch(invocation);
  ASSERT_TRUE(eventually([&] { return repository.has("half.txt"); }));
  auto const units = processes_below(world.server_pid());
  ASSERT_FALSE(units.empty());
  EXPECT_EQ(::kill(units.front().pid, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return text_of(api.run(run.run), "state") == "queued"; }));
  ASSERT_TRUE(repository.has("half.txt"));

  EXPECT_EQ(api.post("/api/v1/runs/" + run.run + "/cancel", {}).status, 202);
  auto const events = api.events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "cancelled");
  EXPECT_EQ(text_of(events.back().data, "reason"), "cancelled_by_user");
  EXPECT_EQ(repository.status(), "");
  EXPECT_EQ(repository.git({"show", "refs/drover/rescue/" + run.run + ":half.txt"}), "begun");
}

}  // namespace
}  // namespace drover::harness
