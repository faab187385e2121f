// Workers in processes of their own, at a server that has none: joined, killed, stopped, drained.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

using WorkerProgram = std::unique_ptr<Program>;

WorkerProgram start_worker(World const& world, std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.begin(), "worker");
  return world.start_drover(std::move(arguments));
}

// SIGTERM, and the exit code; the log where it is not 0.
void expect_orderly_end(Program& worker) {
  worker.signal(SIGTERM);
  Outcome const outcome = worker.finish();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

std::vector<pid_t> units_below(pid_t pid) {
  std::vector<pid_t> pids;
  for (ProcessLine const& line : processes_below(pid))
    if (line.command.starts_with("/run/drover/unit")) pids.push_back(line.pid);
  return pids;
}

constexpr std::string_view kTwoSteps = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command": "echo first >> effects.txt"}}]},
  {"text": "Done.", "usage": {"input": 10, "output": 5}}])";

// The tool lasts until a file is there.
constexpr std::string_view kWaits = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command": "echo first >> effects.txt"}}]},
  {"tool_calls": [{"name": "Bash", "input": {"command": "touch .claude/begun; until test -e .claude/go; do sleep 0.02; done"}}]},
  {"text": "Done."}])";

class Workers : public ::testing::Test {
 protected:
  Workers() : repository_(world_.repository("project")) {}

  RunRef dispatch(std::string_view turns) {
    Api api = world_.api();
    return api.dispatch(
        World::invocation(api.add_workspace(repository_.path()), world_.model(turns), "go"));
  }
  // A type of the API, as one would put it with `drover task-types apply`.
  void put_type(std::string const& name, std::string_view members) {
    Reply const reply = world_.api().put(
        "/api/v1/task-types/" + name,
        json::parse(fmt::format(R"({{"name": "{}"{}}})", name, members)).as_object());
    ASSERT_EQ(reply.status, 201) << reply.text;
  }
  RunRef dispatch_as(std::string const& type, std::string_view turns) {
    Api api = world_.api();
    auto invocation =
        World::invocation(api.add_workspace(repository_.path()), world_.model(turns), "go");
    invocation["task_type"] = json::string{type};
    return api.dispatch(invocation);
  }
  std::string detail_of(RunRef const& run) { return text_of(world_.api().run(run.run), "detail"); }
  json::object workers_of_server() {
    Reply reply = world_.api().get("/api/v1/workers");
    auto const& all = reply.body.at("workers").as_array();
    return all.empty() ? json::object{} : all.front().as_object();
  }
  [[nodiscard]] bool begun() {
    return eventually([&] { return repository_.has(".claude/begun"); });
  }
  void let_go() { repository_.write(".claude/go", ""); }
  std::string state_of(RunRef const& run) { return text_of(world_.api().run(run.run), "state"); }

  World world_;
  Repository repository_;
};

TEST_F(Workers, ARunIsWorkedOnByAJoinedWorkerAlone) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kTwoSteps);
  EXPECT_EQ(state_of(run), "queued");
  auto const worker = start_worker(world_, {"--label", "zone=eu", "--slots", "3"});
  Api api = world_.api();
  auto const events = api.events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_EQ(text_of(events.back().data, "reply"), "Done.");
  EXPECT_EQ(count_of(events, "commit"), 1U);
  EXPECT_GE(count_of(events, "usage"), 1U);
  EXPECT_EQ(repository_.git({"show", "HEAD:effects.txt"}), "first");
  auto const record = api.run(run.run);
  EXPECT_GT(integer_or(record.at("usage").as_object(), "input", 0), 0) << json::serialize(record);
  EXPECT_GE(integer_or(record, "turns", 0), 2);

  auto const listed = workers_of_server();
  EXPECT_EQ(text_of(listed, "state"), "live");
  EXPECT_EQ(text_of(listed, "mode"), "daemon");
  EXPECT_EQ(integer_or(listed, "slots", 0), 3);
  EXPECT_EQ(text_of(listed.at("labels").as_object(), "zone"), "eu");
  expect_orderly_end(*worker);
  EXPECT_TRUE(workers_of_server().empty());
}

// Those folders are the server's, and it has never had a worker.
TEST_F(Workers, SessionsInWorktreesAndThoseThatOnlyReadAreWorkedOnElsewhere) {
  world_.serve({"--no-worker"});
  Api api = world_.api();
  auto reads = World::invocation(api.add_workspace(repository_.path()),
                                 world_.model(R"([{"text": "Read."}])"), "go");
  auto writes = reads;
  reads.at("workspaces").as_array().at(0).as_object()["mode"] = "ro";
  writes.at("workspaces").as_array().at(0).as_object()["checkout"] = "worktree";
  auto const worker = start_worker(world_);
  for (json::object const& invocation : {reads, writes}) {
    auto const events = api.events(api.dispatch(invocation));
    EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
        << json::serialize(events.back().data);
  }
  expect_orderly_end(*worker);
}

TEST_F(Workers, AWarmUnitTakesTheSessionsNextMessage) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(R"([{"text": "First."}, {"text": "Second."}])");
  auto const worker = start_worker(world_);
  (void)world_.api().events(run);
  auto const before = units_below(worker->pid());
  EXPECT_EQ(before.size(), 1U);
  auto const outcome = world_.drover({"send", "--json", run.session, "go on"});
  EXPECT_EQ(text_of(outcome.lines().back(), "reply"), "Second.") << outcome.text();
  EXPECT_EQ(units_below(worker->pid()), before);
  expect_orderly_end(*worker);
}

// While the first worker is busy with another session, the second one takes a turn of which the
// first one's warm unit knows nothing.
TEST_F(Workers, ASessionMovesBetweenWorkersWithItsConversation) {
  world_.serve({"--no-worker"});
  auto const other = world_.repository("other");
  Api api = world_.api();
  auto const run = api.dispatch(World::invocation(api.add_workspace(other.path()), world_.model(R"([
    {"text": "First."},
    {"expect": {"last_user_text_contains": "two"}, "text": "Second."},
    {"expect": {"last_user_text_contains": "three"}, "text": "Third."}])"),
                                                  "one"));
  auto first = start_worker(world_, {"--slots", "1"});
  (void)api.events(run);
  auto const busy = dispatch(kWaits);
  ASSERT_TRUE(begun());
  auto second = start_worker(world_);
  auto const two = world_.drover({"send", "--json", run.session, "two"});
  EXPECT_EQ(text_of(two.lines().back(), "reply"), "Second.") << two.text();
  expect_orderly_end(*second);
  let_go();
  (void)api.events(busy);
  auto const three = world_.drover({"send", "--json", run.session, "three"});
  EXPECT_EQ(text_of(three.lines().back(), "reply"), "Third.") << three.text();
  expect_orderly_end(*first);
}

TEST_F(Workers, ACancelledRunOfAJoinedWorkerEnds) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kWaits);
  auto const worker = start_worker(world_);
  ASSERT_TRUE(begun());
  json::object nothing;
  EXPECT_EQ(world_.api().post(fmt::format("/api/v1/runs/{}/cancel", run.run), nothing).status, 202);
  auto const events = world_.api().events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "cancelled");
  expect_orderly_end(*worker);
}

TEST_F(Workers, ARunOfAKilledWorkerIsEndedByAnother) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kWaits);
  auto first = start_worker(world_, {"--lease", "1s"});
  ASSERT_TRUE(begun());
  first->signal(SIGKILL);
  (void)first->finish();
  let_go();
  auto const second = start_worker(world_, {"--lease", "1s"});
  auto const events = world_.api().events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_GE(integer_or(events.back().data, "epoch", 0), 2);
  EXPECT_EQ(repository_.git({"show", "HEAD:effects.txt"}), "first");
  EXPECT_EQ(repository_.commits(), 2U);
  expect_orderly_end(*second);
}

TEST_F(Workers, AWorkerThatWasStoppedBeyondItsLeaseIsFenced) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kWaits);
  auto first = start_worker(world_, {"--lease", "1s"});
  ASSERT_TRUE(begun());
  first->signal(SIGSTOP);
  // Until its claim is over, which the server says.
  ASSERT_TRUE(eventually([&] { return world_.server_log().contains("worker-lost-claim"); }));
  auto second = start_worker(world_, {"--lease", "1s"});
  StreamOptions options;
  options.until = [](Event const& event) {
    return event.type == "turn-accepted" && integer_or(event.data, "epoch", 0) >= 2;
  };
  ASSERT_GE(integer_or(world_.api().stream(run, options).events.back().data, "epoch", 0), 2);
  first->signal(SIGCONT);
  EXPECT_TRUE(first->prints("run-fenced"));
  EXPECT_TRUE(eventually([&] { return units_below(first->pid()).empty(); }));
  let_go();
  auto const events = world_.api().events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  // From the second attempt's first event on, nothing of the first one is in the stream.
  std::int64_t epoch = 0;
  for (Event const& event : events) {
    EXPECT_GE(integer_or(event.data, "epoch", 0), epoch) << json::serialize(event.data);
    epoch = std::max(epoch, integer_or(event.data, "epoch", 0));
  }
  EXPECT_EQ(count_of(events, "commit"), 1U);
  EXPECT_EQ(repository_.commits(), 2U);
  expect_orderly_end(*first);
  expect_orderly_end(*second);
}

TEST_F(Workers, AJobTakesOneRunOrNone) {
  world_.serve({"--no-worker"});
  auto const none = world_.drover({"worker", "--mode", "job"});
  EXPECT_EQ(none.exit_code, 0) << none.err;
  auto const first = dispatch(kTwoSteps);
  auto const second = dispatch(kTwoSteps);
  world_.set_variable("TASK_WORKER_MODE", "job");
  auto const one = world_.drover({"worker"});
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(state_of(first), "succeeded");
  EXPECT_EQ(state_of(second), "queued");
  EXPECT_EQ(world_.drover({"worker"}).exit_code, 0);
  EXPECT_EQ(state_of(second), "succeeded");
}

TEST_F(Workers, AWorkerTakesOnlyTheTypesItIsFor) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kTwoSteps);
  EXPECT_EQ(world_.drover({"worker", "--mode", "job", "--task-type", "other"}).exit_code, 0);
  world_.set_variable("TASK_TYPE_FILTER", "other, another");
  EXPECT_EQ(world_.drover({"worker", "--mode", "job"}).exit_code, 0);
  EXPECT_EQ(world_.drover({"worker", "--mode", "job", "--pool", "gpu"}).exit_code, 0);
  EXPECT_EQ(state_of(run), "queued");
  world_.set_variable("TASK_TYPE_FILTER", "other, background-agent");
  EXPECT_EQ(world_.drover({"worker", "--mode", "job"}).exit_code, 0);
  EXPECT_EQ(state_of(run), "succeeded");
}

TEST_F(Workers, ATaskWithLabelsIsTakenOnlyByAWorkerThatHasThem) {
  world_.serve({"--no-worker"});
  put_type("train", R"(, "labels": {"gpu": "a100"})");
  auto const run = dispatch_as("train", R"([{"text": "First."}, {"text": "Second."}])");
  EXPECT_EQ(detail_of(run), "waits for a worker with gpu=a100");
  EXPECT_EQ(world_.drover({"worker", "--mode", "job"}).exit_code, 0);
  EXPECT_EQ(world_.drover({"worker", "--mode", "job", "--label", "gpu=h100"}).exit_code, 0);
  EXPECT_EQ(state_of(run), "queued");
  std::vector<std::string> const fits{"worker",   "--mode",  "job",    "--label",
                                      "gpu=a100", "--label", "zone=eu"};
  EXPECT_EQ(world_.drover(fits).exit_code, 0);
  EXPECT_EQ(state_of(run), "succeeded");
  EXPECT_EQ(detail_of(run), "");
  // The session's next turn asks for the same.
  auto const next = world_.api().send_message(run.session, "go on");
  EXPECT_EQ(world_.drover({"worker", "--mode", "job"}).exit_code, 0);
  EXPECT_EQ(detail_of(next), "waits for a worker with gpu=a100");
  world_.set_variable("DROVER_WORKER_LABELS", "zone=eu, gpu=a100");
  EXPECT_EQ(world_.drover({"worker", "--mode", "job"}).exit_code, 0);
  EXPECT_EQ(state_of(next), "succeeded");
}

TEST_F(Workers, WhatNobodyTakesHoldsUpNoOtherAndIsSaidToWhomItConcerns) {
  auto const other = world_.repository("other");
  world_.serve({"--label", "gpu=a100"});
  put_type("train", R"(, "labels": {"gpu": "a100"})");
  put_type("burn", R"(, "labels": {"gpu": "h100"})");
  std::string const model = world_.model(R"([{"text": "Yes."}])");
  auto const stuck = world_.drover(
      {"run", "go", "--task", "burn", "-w", other.path(), "--model", model, "--detach"});
  EXPECT_EQ(stuck.exit_code, 0) << stuck.text();
  EXPECT_NE(stuck.err.find("waits for a worker with gpu=h100"), std::string::npos) << stuck.err;
  auto const run = dispatch_as("train", R"([{"text": "Yes."}])");
  EXPECT_EQ(text_of(world_.api().events(run).back().data, "state"), "succeeded");
}

TEST_F(Workers, AWorkerIsWhatItsPoolSaysWhereItSaysNothingItself) {
  std::filesystem::create_directories(world_.state_folder());
  ASSERT_TRUE(os::write_file_atomic(world_.state_folder() + "/pools.toml", R"(
[pools.gpu]
mode = "job"
task_types = ["train"]
labels = {gpu = "a100"}
)"));
  world_.serve({"--no-worker"});
  put_type("train", R"(, "pool": "gpu", "labels": {"gpu": "a100"})");
  put_type("other", R"(, "pool": "gpu")");
  auto const other = dispatch_as("other", R"([{"text": "Yes."}])");
  auto const run = dispatch_as("train", R"([{"text": "Yes."}])");
  EXPECT_EQ(detail_of(run), "waits for a worker of the pool gpu with gpu=a100");
  // As a job it ends by itself.
  EXPECT_EQ(world_.drover({"worker", "--pool", "gpu"}).exit_code, 0);
  EXPECT_EQ(state_of(other), "queued") << "the pool's workers take one type alone";
  EXPECT_EQ(state_of(run), "queued") << "it waits behind the other one for the workspace";
  EXPECT_EQ(world_.drover({"worker", "--pool", "gpu", "--task-type", "other"}).exit_code, 0);
  EXPECT_EQ(state_of(other), "succeeded");
  EXPECT_EQ(world_.drover({"worker", "--pool", "gpu", "--label", "gpu=h100"}).exit_code, 0);
  EXPECT_EQ(state_of(run), "queued");
  auto const daemon = start_worker(world_, {"--pool", "gpu", "--mode", "daemon", "--slots", "3"});
  EXPECT_EQ(text_of(world_.api().events(run).back().data, "state"), "succeeded");
  auto const listed = workers_of_server();
  EXPECT_EQ(text_of(listed, "mode"), "daemon");
  EXPECT_EQ(json::serialize(listed.at("task_types")), R"(["train"])");
  expect_orderly_end(*daemon);
}

// Processes of runs that have one of their own.
std::vector<pid_t> jobs_below(pid_t pid) {
  std::vector<pid_t> pids;
  for (ProcessLine const& line : processes_below(pid))
    if (line.command.contains(" worker --assigned")) pids.push_back(line.pid);
  return pids;
}

TEST_F(Workers, AHybridGivesARunAProcessUnlessSomebodyWaitsForIt) {
  world_.serve({"--no-worker"});
  auto const worker = start_worker(world_, {"--mode", "hybrid"});
  auto const run = dispatch(kWaits);
  ASSERT_TRUE(begun());
  auto const jobs = jobs_below(worker->pid());
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(units_below(jobs.front()).size(), 1U);
  EXPECT_EQ(json::serialize(workers_of_server().at("runs")), fmt::format(R"(["{}"])", run.run));
  let_go();
  auto const events = world_.api().events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_TRUE(eventually([&] { return jobs_below(worker->pid()).empty(); }));
  EXPECT_TRUE(units_below(worker->pid()).empty());

  auto const chat = dispatch_as("chat", R"([{"text": "First."}, {"text": "Second."}])");
  EXPECT_EQ(text_of(world_.api().events(chat).back().data, "reply"), "First.");
  auto const warm = units_below(worker->pid());
  EXPECT_EQ(warm.size(), 1U);
  EXPECT_TRUE(jobs_below(worker->pid()).empty());
  auto const next = world_.api().send_message(chat.session, "go on");
  EXPECT_EQ(text_of(world_.api().events(next).back().data, "reply"), "Second.");
  EXPECT_EQ(units_below(worker->pid()), warm);
  expect_orderly_end(*worker);
}

TEST_F(Workers, AHybridsRunOfASessionWithAWarmUnitGetsAProcessAndTheSessionGoesOn) {
  world_.serve({"--no-worker"});
  auto const worker = start_worker(world_, {"--mode", "hybrid"});
  auto const chat = dispatch_as("chat", R"([
    {"text": "First."},
    {"expect": {"last_user_text_contains": "two"}, "text": "Second."},
    {"expect": {"last_user_text_contains": "three"}, "text": "Third."}])");
  (void)world_.api().events(chat);
  Api api = world_.api();
  auto invocation = World::invocation(api.add_workspace(repository_.path()), "", "two");
  invocation.erase("model");
  invocation["session"] = json::string{chat.session};
  auto const two = api.dispatch(invocation);
  EXPECT_EQ(text_of(api.events(two).back().data, "reply"), "Second.");
  auto const three = api.send_message(chat.session, "three");
  EXPECT_EQ(text_of(api.events(three).back().data, "reply"), "Third.");
  expect_orderly_end(*worker);
}

// Its lease is far longer than this test may last.
TEST_F(Workers, ADeadProcessOfAHybridIsSeenAtOnce) {
  world_.serve({"--no-worker"});
  auto const worker = start_worker(world_, {"--mode", "hybrid", "--lease", "10m"});
  auto const run = dispatch(kWaits);
  ASSERT_TRUE(begun());
  auto const jobs = jobs_below(worker->pid());
  ASSERT_EQ(jobs.size(), 1U);
  ::kill(jobs.front(), SIGKILL);
  let_go();
  auto const events = world_.api().events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_EQ(integer_or(events.back().data, "epoch", 0), 2);
  EXPECT_EQ(repository_.git({"show", "HEAD:effects.txt"}), "first");
  EXPECT_EQ(repository_.commits(), 2U);
  expect_orderly_end(*worker);
}

TEST_F(Workers, AHybridDrainsItsProcesses) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kWaits);
  auto first = start_worker(world_, {"--mode", "hybrid", "--drain-timeout", "200ms"});
  ASSERT_TRUE(begun());
  expect_orderly_end(*first);
  EXPECT_EQ(state_of(run), "queued");
  let_go();
  auto const second = start_worker(world_, {"--mode", "hybrid"});
  EXPECT_EQ(fault_of(world_.api().events(run), run.run), "");
  EXPECT_EQ(state_of(run), "succeeded");
  expect_orderly_end(*second);
}

TEST_F(Workers, AProcessOfAHybridEndsItsRunWithinTheDrainTimeout) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kWaits);
  auto const worker = start_worker(world_, {"--mode", "hybrid"});
  ASSERT_TRUE(begun());
  worker->signal(SIGTERM);
  ASSERT_TRUE(worker->prints("stopping"));
  let_go();
  EXPECT_EQ(worker->finish().exit_code, 0);
  EXPECT_EQ(state_of(run), "succeeded");
}

TEST_F(Workers, ACancelledRunOfAHybridsProcessEnds) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kWaits);
  auto const worker = start_worker(world_, {"--mode", "hybrid"});
  ASSERT_TRUE(begun());
  json::object nothing;
  EXPECT_EQ(world_.api().post(fmt::format("/api/v1/runs/{}/cancel", run.run), nothing).status, 202);
  auto const events = world_.api().events(run);
  EXPECT_EQ(text_of(events.back().data, "state"), "cancelled");
  expect_orderly_end(*worker);
}

// The run is put back by its process, which drains, and not by the end of a lease.
TEST_F(Workers, AProcessOfAHybridDoesNotOutliveIt) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kWaits);
  auto first =
      start_worker(world_, {"--mode", "hybrid", "--lease", "10m", "--drain-timeout", "100ms"});
  ASSERT_TRUE(begun());
  first->signal(SIGKILL);
  (void)first->finish();
  EXPECT_TRUE(eventually([&] { return state_of(run) == "queued"; })) << state_of(run);
  let_go();
  auto const second = start_worker(world_, {"--mode", "hybrid"});
  EXPECT_EQ(fault_of(world_.api().events(run), run.run), "");
  EXPECT_EQ(state_of(run), "succeeded");
  expect_orderly_end(*second);
}

// It has the folder that the new worker would otherwise give its first process.
TEST_F(Workers, AProcessThatDrainsIsLeftAloneByTheNextWorkerOfItsName) {
  world_.serve({"--no-worker"});
  auto const other = world_.repository("other");
  auto const run = dispatch(kWaits);
  auto first = start_worker(world_, {"--mode", "hybrid", "--name", "h"});
  ASSERT_TRUE(begun());
  first->signal(SIGKILL);
  (void)first->finish(Millis{1'000});
  auto const second = start_worker(world_, {"--mode", "hybrid", "--name", "h"});
  Api api = world_.api();
  auto const next = api.dispatch(
      World::invocation(api.add_workspace(other.path()), world_.model(kTwoSteps), "go"));
  EXPECT_EQ(text_of(api.events(next).back().data, "state"), "succeeded");
  let_go();
  auto const events = api.events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded");
  EXPECT_EQ(integer_or(events.back().data, "epoch", 0), 1);
  expect_orderly_end(*second);
}

TEST_F(Workers, DrainingWaitsForARunThatEndsInTime) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kWaits);
  auto const next = dispatch(kTwoSteps);
  auto const worker = start_worker(world_, {"--slots", "1"});
  ASSERT_TRUE(begun());
  worker->signal(SIGTERM);
  ASSERT_TRUE(worker->prints("stopping"));
  let_go();
  Outcome const outcome = worker->finish();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(state_of(run), "succeeded");
  EXPECT_EQ(state_of(next), "queued");
}

TEST_F(Workers, DrainingPutsBackWhatDoesNotEndInTime) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kWaits);
  auto first = start_worker(world_, {"--drain-timeout", "200ms"});
  ASSERT_TRUE(begun());
  expect_orderly_end(*first);
  EXPECT_TRUE(eventually([&] { return state_of(run) == "queued"; })) << state_of(run);
  let_go();
  auto const second = start_worker(world_);
  auto const events = world_.api().events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded");
  EXPECT_EQ(repository_.git({"show", "HEAD:effects.txt"}), "first");
  expect_orderly_end(*second);
}

TEST_F(Workers, ASecondSignalEndsAWorkerAtOnce) {
  world_.serve({"--no-worker"});
  auto const run = dispatch(kWaits);
  auto first = start_worker(world_, {"--lease", "1s"});
  ASSERT_TRUE(begun());
  first->signal(SIGTERM);
  ASSERT_TRUE(first->prints("stopping"));
  first->signal(SIGTERM);
  EXPECT_EQ(first->finish().exit_code, 128 + SIGTERM);
  let_go();
  auto const second = start_worker(world_);
  EXPECT_EQ(fault_of(world_.api().events(run), run.run), "");
  expect_orderly_end(*second);
}

TEST_F(Workers, ARunWhoseFolderIsNotHereIsLeftToOthers) {
  namespace fs = std::filesystem;
  world_.serve({"--no-worker"});
  auto const run = dispatch(kTwoSteps);
  fs::rename(repository_.path(), repository_.path() + ".away");
  EXPECT_EQ(world_.drover({"worker", "--mode", "job"}).exit_code, 0);
  auto const record = world_.api().run(run.run);
  EXPECT_EQ(text_of(record, "state"), "queued");
  EXPECT_NE(
      text_of(record, "detail").find("is not on this worker's machine: " + repository_.path()),
      std::string::npos)
      << json::serialize(record);
  fs::rename(repository_.path() + ".away", repository_.path());
  json::object nothing;
  EXPECT_EQ(world_.api().post(fmt::format("/api/v1/runs/{}/run-now", run.run), nothing).status,
            202);
  EXPECT_EQ(world_.drover({"worker", "--mode", "job"}).exit_code, 0);
  EXPECT_EQ(state_of(run), "succeeded");
}

TEST_F(Workers, AServerThatStartsAnewTakesItsRunsBack) {
  // The usual port may be another server's by the time that this one wants it again, and one from
  // 32768 on a client's.
  auto const port = fmt::format("{}", 20'000 + ::getpid() % 12'000);
  world_.serve({"--no-worker", "--port", port});
  auto const run = dispatch(kWaits);
  auto const worker = start_worker(world_, {"--lease", "2s"});
  ASSERT_TRUE(begun());
  world_.kill_server();
  world_.serve({"--no-worker", "--port", port});
  let_go();
  auto const events = world_.api().events(run);
  worker->signal(SIGTERM);
  Outcome const outcome = worker->finish();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(fault_of(events, run.run), "");
  ASSERT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data) << outcome.err;
  EXPECT_EQ(repository_.git({"show", "HEAD:effects.txt"}), "first") << outcome.err;
}

// The worker API, as a worker that repeats itself and one that is late would use it.
class WorkerApi : public Workers {
 protected:
  static constexpr std::string_view kWorker = "/api/v1/workers/tester";

  Reply post(std::string const& path, std::string body) {
    return world_.api().post_text(std::string{kWorker} + path, std::move(body));
  }
  void join() {
    net::ClientRequest request;
    Api api = world_.api();
    request.method = "PUT";
    request.url = api.url() + std::string{kWorker};
    request.headers = {{"authorization", "Bearer " + api.token()},
                       {"content-type", "application/json"}};
    request.body = R"({"slots": 1})";
    Reply const reply = api.send(std::move(request));
    ASSERT_EQ(reply.status, 200) << reply.text;
  }
  // Its epoch; 0 where there was none to claim.
  std::int64_t claim() {
    Reply const reply = post("/claim", R"({"lease_ms": 60000, "wait_ms": 5000})");
    EXPECT_EQ(reply.status, 200) << reply.text;
    auto const& assignments = reply.body.at("assignments").as_array();
    if (assignments.empty()) return 0;
    return integer_or(assignments.front().as_object().at("run").as_object(), "epoch", 0);
  }
  Reply step(RunRef const& run, std::string_view kind, std::int64_t epoch, std::int64_t number,
             std::string_view state, std::string_view more = "") {
    return post(fmt::format("/runs/{}/steps", run.run),
                fmt::format(R"({{"kind": "{}", "epoch": {}, "number": {}, "run": {{"state": "{}",
                             "reason": "internal"}}{}}})",
                            kind, epoch, number, state, more));
  }
  static std::string error_event(RunRef const& run, std::int64_t epoch) {
    return fmt::format(R"(, "events": [{{"type": "error", "data": {{"type": "error", "run": "{0}",
                       "turn_id": "{0}", "epoch": {1}, "message": "said"}}}}])",
                       run.run, epoch);
  }
};

TEST_F(WorkerApi, AStepThatComesTwiceIsTakenOnce) {
  world_.serve({"--no-worker"});
  EXPECT_EQ(post("/claim", "{}").status, 404);
  join();
  auto const run = dispatch(kTwoSteps);
  auto const epoch = claim();
  ASSERT_EQ(epoch, 1);
  EXPECT_EQ(step(run, "record", epoch, 1, "running").status, 200);
  for (int again = 0; again < 3; ++again)
    EXPECT_EQ(step(run, "append", epoch, 2, "running", error_event(run, epoch)).status, 200);
  EXPECT_EQ(step(run, "finish", epoch, 3, "failed").status, 200);
  EXPECT_EQ(step(run, "finish", epoch, 3, "failed").status, 409);
  auto const events = world_.api().events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(count_of(events, "error"), 1U);
}

TEST_F(WorkerApi, WhatIsNotSaidUnderTheClaimIsRefused) {
  world_.serve({"--no-worker"});
  join();
  auto const run = dispatch(kTwoSteps);
  auto const epoch = claim();
  ASSERT_EQ(epoch, 1);
  EXPECT_EQ(step(run, "record", epoch + 1, 1, "running").status, 409);
  EXPECT_EQ(step(run, "append", epoch, 1, "claimed", error_event(run, epoch + 1)).status, 400);
  EXPECT_EQ(step(run, "append", epoch, 1, "claimed",
                 fmt::format(R"(, "events": [{{"type": "turn-complete", "data": {{"run": "{}",
                             "epoch": {}}}}}])",
                             run.run, epoch))
                .status,
            400);
  EXPECT_EQ(step(run, "record", epoch, 1, "succeeded").status, 400);
  Reply const call = post(fmt::format("/runs/{}/messages?epoch=0", run.run), "{}");
  EXPECT_EQ(call.status, 409) << call.text;
  // Put back, it is somebody else's, and the old claim says nothing more.
  EXPECT_EQ(step(run, "put-back", epoch, 1, "queued").status, 200);
  EXPECT_EQ(claim(), 2);
  EXPECT_EQ(step(run, "record", epoch, 2, "running").status, 409);
  Reply const beat =
      post("/heartbeat", fmt::format(R"({{"claims": [{{"run": "{}", "epoch": 1}}]}})", run.run));
  EXPECT_EQ(json::serialize(beat.body.at("lost")), fmt::format(R"(["{}"])", run.run));
  EXPECT_EQ(step(run, "finish", 2, 1, "failed").status, 200);
  EXPECT_EQ(fault_of(world_.api().events(run), run.run), "");
}

}  // namespace
}  // namespace drover::harness
