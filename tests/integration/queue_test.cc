// The queue as a client sees it: pauses, delays, bulk dispatch, and runs that it gave up.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"
#include "os/files.h"

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

// A start that gives out nothing is this start's alone.
TEST(Queue, AServerThatStartsPausedGivesOutNothingUntilItIsResumed) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kHello);
  world.serve({"--paused"});
  RunRef first;
  RunRef second;
  {
    Api api = world.api();
    auto const workspace = api.add_workspace(repository.path());
    first = api.dispatch(World::invocation(workspace, model, "go"));
    auto const listed = world.drover({"ps"});
    EXPECT_TRUE(listed.err.contains("paused: all")) << listed.text();
    EXPECT_TRUE(world.drover({"queues"}).err.contains("paused: all"));
    EXPECT_EQ(state_of(api, first.run), "queued");
    EXPECT_EQ(world.drover({"queues", "resume"}).exit_code, 0);
    EXPECT_EQ(text_of(last_of(api.events(first), "turn-complete"), "state"), "succeeded");
  }
  world.stop_server();
  world.serve({"--paused"});
  {
    Api api = world.api();
    second = api.dispatch(
        World::invocation(api.add_workspace(repository.path()), model, "go once more"));
  }
  world.stop_server();
  world.serve();
  Api api = world.api();
  EXPECT_EQ(text_of(last_of(api.events(second), "turn-complete"), "state"), "succeeded");
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

TEST(Queue, ADedupKeyThatLivesStartsNothingAndNamesTheFirstRun) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kHello);
  world.serve();
  auto const run = [&](std::string const& key) {
    return world.drover({"run", "-w", repository.path(), "--ro", "--model", model, "--detach",
                         "--json", "--dedup", key, "go"});
  };
  auto const first = run("pr:7:1h");
  ASSERT_EQ(first.exit_code, 0) << first.text();
  std::string const id = text_of(first.lines().at(0), "run");
  Api api = world.api();
  (void)api.events({id, text_of(first.lines().at(0), "session")});
  auto const second = run("pr:7:1h");
  EXPECT_EQ(second.exit_code, 0) << second.text();
  EXPECT_EQ(text_of(second.lines().at(0), "run"), id) << "also when the first has ended";
  EXPECT_TRUE(second.err.contains("nothing was started")) << second.text();
  auto const other = run("pr:8:1h");
  EXPECT_NE(text_of(other.lines().at(0), "run"), id);
  EXPECT_EQ(api.get("/api/v1/runs").body.at("runs").as_array().size(), 2U);
  EXPECT_EQ(api.get("/api/v1/sessions").body.at("sessions").as_array().size(), 2U)
      << "a duplicate makes no session either";
}

TEST(Queue, OfABulkWithOneDedupKeyOneIsStarted) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kHello);
  world.serve();
  Api api = world.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "go");
  invocation["dedup"] = {{"key", "once"}};
  auto const taken = api.post("/api/v1/runs/bulk", {{"runs", json::array{invocation, invocation}}});
  ASSERT_EQ(taken.status, 202) << taken.text;
  auto const& runs = taken.body.at("runs").as_array();
  EXPECT_EQ(runs.at(0).at("run"), runs.at(1).at("run"));
  EXPECT_FALSE(runs.at(0).at("duplicate").as_bool());
  EXPECT_TRUE(runs.at(1).at("duplicate").as_bool());
  EXPECT_EQ(api.get("/api/v1/runs").body.at("runs").as_array().size(), 1U);
}

TEST(Queue, ARunWaitsWhereItAskedTo) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kHello);
  world.serve();
  Api api = world.api();
  auto const workspace = api.add_workspace(repository.path());
  ASSERT_EQ(api.post("/api/v1/queues/all/pause", {}).status, 200);
  auto const dispatch = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"run",     "-w",  workspace,  "--ro",
                                       "--model", model, "--detach", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto const outcome = world.drover(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
    return RunRef{text_of(outcome.lines().at(0), "run"), text_of(outcome.lines().at(0), "session")};
  };
  auto const low = dispatch({"--priority", "low", "--key", "one", "low"});
  auto const high = dispatch({"--priority", "high", "--key", "one", "high"});
  auto const late = dispatch({"--tenant", "team-a", "--delay", "1h", "late"});
  int delayed = 0;
  auto const listed = api.get("/api/v1/queues");
  for (auto const& item : listed.body.at("queues").as_array())
    if (text_of(item.as_object(), "tenant") == "team-a")
      delayed = item.at("delayed").to_number<int>();
  EXPECT_EQ(delayed, 1);
  ASSERT_EQ(api.post("/api/v1/queues/all/resume", {}).status, 200);
  // One key lets one of them go at a time, so that the order shows.
  (void)api.events(high);
  (void)api.events(low);
  auto const started = [&](RunRef const& run) {
    return text_of(api.get("/api/v1/runs/" + run.run).body, "started_at");
  };
  EXPECT_LT(started(high), started(low));
  EXPECT_EQ(state_of(api, late.run), "queued");
  // Messages of the session stay with its tenant.
  EXPECT_EQ(api.post("/api/v1/runs/" + late.run + "/run-now", {}).status, 202);
  (void)api.events(late);
  ASSERT_EQ(api.post("/api/v1/queues/all/pause", {}).status, 200);
  (void)api.send_message(late.session, "more");
  auto const again = api.get("/api/v1/queues");
  auto const& queues = again.body.at("queues").as_array();
  ASSERT_EQ(queues.size(), 1U);
  EXPECT_EQ(text_of(queues[0].as_object(), "tenant"), "team-a");
}

std::size_t begun(Api& api) {
  auto const runs = api.get("/api/v1/runs");
  return static_cast<std::size_t>(std::ranges::count_if(
      runs.body.at("runs").as_array(),
      [](json::value const& run) { return text_of(run.as_object(), "state") != "queued"; }));
}

// While one works the other waits, until more may work at once: with no restart between.
TEST(Queue, OtherLimitsHoldAtOnce) {
  World world;
  auto const model = world.model(R"([{"text": "slowly", "delay_ms": 60000}])");
  world.serve();
  EXPECT_EQ(
      world.drover({"queues", "limits", "-f", "-"}, R"({"global": {"concurrency": 0}})").exit_code,
      2);
  auto const set =
      world.drover({"queues", "limits", "-f", "-"}, R"({"global": {"concurrency": 1}})");
  ASSERT_EQ(set.exit_code, 0) << set.text();
  Api api = world.api();
  auto const first = api.dispatch(
      World::invocation(api.add_workspace(world.repository("one").path()), model, "go"));
  ASSERT_TRUE(api.await_event(first, "turn-accepted"));
  auto const second = api.dispatch(
      World::invocation(api.add_workspace(world.repository("two").path()), model, "go"));
  EXPECT_EQ(begun(api), 1U);
  auto const put = api.put("/api/v1/queues/limits?revision=1", {});
  ASSERT_EQ(put.status, 200) << put.text;
  EXPECT_TRUE(api.await_event(second, "turn-accepted"));
  for (auto const& run : {first, second})
    EXPECT_EQ(api.post("/api/v1/runs/" + run.run + "/cancel", {}).status, 202);
  (void)api.events(first);
  (void)api.events(second);
}

TEST(Queue, LimitsOfAFileAreReadAtTheStartAndNotChangedElsewhere) {
  World world;
  ASSERT_TRUE(os::make_folders(world.state_folder()));
  std::string const file = world.state_folder() + "/queue.toml";
  ASSERT_TRUE(os::write_file_atomic(file, "[keys.github]\nconcurrency = 0\n"));
  auto const refused = world.drover({"serve"});
  EXPECT_EQ(refused.exit_code, 2) << refused.text();
  EXPECT_TRUE(refused.err.contains("queue.toml: /keys/github/concurrency")) << refused.text();
  ASSERT_TRUE(os::write_file_atomic(file, "[keys.github]\nconcurrency = 2\n"));
  world.serve();
  auto const shown = world.drover({"queues", "limits"});
  EXPECT_EQ(json::parse(shown.out), json::parse(R"({"keys": {"github": {"concurrency": 2}}})"));
  EXPECT_TRUE(shown.err.contains("queue.toml"));
  auto const put = world.api().put("/api/v1/queues/limits", {});
  EXPECT_EQ(put.status, 409);
  EXPECT_TRUE(put.text.contains("queue.toml")) << put.text;
}

TEST(Queue, WhatItDoesNotTakeHasItsPlace) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto invocation =
      World::invocation(api.add_workspace(repository.path()), world.model(kHello), "go");
  invocation["fifo_group"] = "with space";
  auto const refused = api.post("/api/v1/runs", invocation);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(text_of(refused.body.at("error").as_object(), "pointer"), "/fifo_group");
  auto const at_command =
      world.drover({"run", "-w", repository.path(), "--tenant", "with space", "go"});
  EXPECT_EQ(at_command.exit_code, 2);
  EXPECT_TRUE(at_command.err.contains("/tenant")) << at_command.text();
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
