// The queue as a client sees it: pauses, delays, bulk dispatch, and runs that it gave up.
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"

namespace drover::harness {
namespace {

constexpr char const* kHello = R"([{"text": "hello"}])";

std::string state_of(Api& api, std::string const& run) {
  return text_of(api.get("/api/v1/runs/" + run).body, "state");
}

TEST(Queue, APausedQueueStartsNothingAndSaysWhatWaits) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kHello);
  world.serve();
  RunRef run;
  {
    Api api = world.api();
    auto const workspace = api.add_workspace(repository.path());
    EXPECT_EQ(world.drover({"queues", "pause", "all"}).exit_code, 0);
    run = api.dispatch(World::invocation(workspace, model, "go"));
  }
  world.stop_server();
  world.serve();
  Api api = world.api();
  EXPECT_EQ(state_of(api, run.run), "queued") << "also after a restart";
  auto const listed = world.drover({"queues", "--json"});
  ASSERT_EQ(listed.lines().size(), 1U) << listed.text();
  EXPECT_EQ(text_of(listed.lines()[0], "task_type"), "background-agent");
  EXPECT_EQ(listed.lines()[0].at("ready").to_number<int>(), 1);
  EXPECT_TRUE(listed.lines()[0].at("paused").as_bool());
  EXPECT_EQ(api.post("/api/v1/queues/nonsense/pause", {}).status, 400);
  EXPECT_EQ(api.post("/api/v1/queues/all/resume", {}).status, 200);
  EXPECT_EQ(text_of(last_of(api.events(run), "turn-complete"), "state"), "succeeded");
}

TEST(Queue, RunNowEndsADelay) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kHello);
  world.serve();
  Api api = world.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "go");
  invocation["delay_until"] = "2999-01-01T00:00:00Z";
  auto const run = api.dispatch(invocation);
  EXPECT_EQ(state_of(api, run.run), "queued");
  EXPECT_EQ(api.post("/api/v1/runs/" + run.run + "/run-now", {}).status, 202);
  EXPECT_EQ(text_of(last_of(api.events(run), "turn-complete"), "state"), "succeeded");
  EXPECT_EQ(api.post("/api/v1/runs/" + run.run + "/run-now", {}).status, 404);
}

TEST(Queue, BulkDispatchIsAllOrNone) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kHello);
  world.serve();
  Api api = world.api();
  auto const workspace = api.add_workspace(repository.path());
  auto const good = World::invocation(workspace, model, "go");
  auto const bad = World::invocation("nowhere", model, "go");
  auto const refused = api.post("/api/v1/runs/bulk", {{"runs", json::array{good, good, bad}}});
  EXPECT_EQ(refused.status, 404) << refused.text;
  EXPECT_TRUE(refused.text.contains("/runs/2")) << refused.text;
  EXPECT_TRUE(api.get("/api/v1/runs").body.at("runs").as_array().empty());
  auto const taken = api.post("/api/v1/runs/bulk", {{"runs", json::array{good, good}}});
  ASSERT_EQ(taken.status, 202) << taken.text;
  auto const& runs = taken.body.at("runs").as_array();
  ASSERT_EQ(runs.size(), 2U);
  for (auto const& one : runs) {
    RunRef const run{text_of(one.as_object(), "run"), text_of(one.as_object(), "session")};
    EXPECT_EQ(text_of(last_of(api.events(run), "turn-complete"), "state"), "succeeded");
  }
}

TEST(Queue, ALostRunIsADeadLetterAndItsReplayIsANewRun) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"text": "never", "delay_ms": 60000}])");
  world.serve();
  Api api = world.api();
  auto const run =
      api.dispatch(World::invocation(api.add_workspace(repository.path()), model, "go"));
  StreamOptions options;
  options.until = [&](Event const& event) {
    if (event.type == "turn-accepted")
      for (pid_t const unit : world.units())
        ::kill(unit, SIGKILL);
    return false;
  };
  auto const stream = api.stream(run, options);
  ASSERT_TRUE(stream.ended);
  EXPECT_EQ(text_of(last_of(stream.events, "turn-complete"), "reason"), "lost");
  auto const letters = world.drover({"dead-letters", "--json"});
  ASSERT_EQ(letters.lines().size(), 1U) << letters.text();
  EXPECT_EQ(text_of(letters.lines()[0], "run"), run.run);
  EXPECT_EQ(text_of(letters.lines()[0], "reason"), "attempts");

  auto const replayed = world.drover({"dead-letters", "replay", "--json", run.run});
  ASSERT_EQ(replayed.exit_code, 0) << replayed.text();
  std::string const fresh = text_of(replayed.lines()[0], "run");
  EXPECT_NE(fresh, run.run);
  EXPECT_EQ(text_of(api.get("/api/v1/runs/" + fresh).body, "replay_of"), run.run);
  EXPECT_EQ(state_of(api, run.run), "failed") << "it had its one end";
  EXPECT_EQ(api.post("/api/v1/dead-letters/" + run.run + "/replay", {}).status, 404);
  EXPECT_EQ(api.post("/api/v1/runs/" + fresh + "/cancel", {}).status, 202);
}

}  // namespace
}  // namespace drover::harness
