// SIGKILL of the unit, of the server and of both, at any moment of a run.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"

namespace drover::harness {
namespace {

enum class Victim : std::uint8_t { unit, server, both };

void PrintTo(Victim victim, std::ostream* out) {
  *out << (victim == Victim::unit ? "unit" : victim == Victim::server ? "server" : "both");
}

void kill_units(World const& world) {
  for (pid_t const pid : world.units())
    ::kill(pid, SIGKILL);
}

void strike(World& world, Victim victim) {
  if (victim != Victim::server) kill_units(world);
  if (victim == Victim::unit) return;
  world.kill_server();
  world.serve();
}

class Resume : public ::testing::TestWithParam<Victim> {};

// Effects before the blow are in the transcript and must not happen again; the call that the blow
// interrupts has no known end, and the model is told so.
constexpr std::string_view kInterrupted = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command": "echo first >> effects.txt"}}]},
  {"expect": {"tool_results": [{"is_error": false}]},
   "tool_calls": [{"name": "Bash", "input": {"command": "echo second >> effects.txt; touch /workspace/.claude/begun; sleep 600"}}]},
  {"expect": {"tool_results": [{"is_error": true}]}, "text": "Finished after all."},
  {"expect": {"last_user_text_contains": "go on"}, "text": "Still here."}
])";

TEST_P(Resume, TheRunEndsOnceAndEffectsAreNotDoubled) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  RunRef run;
  {
    Api api = world.api();
    run = api.dispatch(
        World::invocation(api.add_workspace(repository.path()), world.model(kInterrupted), "go"));
    ASSERT_TRUE(api.await_event(run, "tool-call", 2));
    ASSERT_TRUE(eventually([&] { return repository.has(".claude/begun"); }));
  }
  strike(world, GetParam());
  Api api = world.api();
  auto const events = api.events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  auto const& end = events.back().data;
  EXPECT_EQ(text_of(end, "state"), "succeeded") << json::serialize(end);
  EXPECT_EQ(text_of(end, "reply"), "Finished after all.");
  EXPECT_GE(integer_or(end, "epoch", 0), 2);
  EXPECT_EQ(count_of(events, "commit"), 1U);
  EXPECT_EQ(repository.git({"show", "HEAD:effects.txt"}), "first\nsecond");
  EXPECT_EQ(repository.commits(), 2U);
  EXPECT_EQ(integer_or(end, "turns", 0), 3);

  auto const outcome = world.drover({"send", "--json", run.session, "go on"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(text_of(outcome.lines().back(), "reply"), "Still here.");
}

TEST_P(Resume, AModelCallThatWasCutIsMadeAgain) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "echo first >> effects.txt"}}]},
    {"text": ["Half ", "of ", "an ", "answer."], "delta_delay_ms": 150}])");
  world.serve();
  RunRef run;
  {
    Api api = world.api();
    run = api.dispatch(World::invocation(api.add_workspace(repository.path()), model, "go"));
    ASSERT_TRUE(api.await_event(run, "message-delta"));
  }
  strike(world, GetParam());
  Api api = world.api();
  auto const events = api.events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded");
  EXPECT_EQ(text_of(events.back().data, "reply"), "Half of an answer.");
  EXPECT_EQ(repository.git({"show", "HEAD:effects.txt"}), "first");
}

INSTANTIATE_TEST_SUITE_P(Killed, Resume,
                         ::testing::Values(Victim::unit, Victim::server, Victim::both),
                         ::testing::PrintToStringParamName());

// Six tools with an effect each; the blow falls after the n-th event, wherever that is.
class KillSweep : public ::testing::TestWithParam<Victim> {};

TEST_P(KillSweep, AfterAnyEventTheRunEndsOnceAndNoEffectIsDoubled) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([
    {"repeat": 6, "text": "step", "delta_delay_ms": 3,
     "tool_calls": [{"name": "Bash", "input": {"command": "echo {{iteration}} >> effects.txt"}}]},
    {"text": "All six."}])");
  world.serve();
  std::string const workspace = world.api().add_workspace(repository.path());
  constexpr std::int64_t kStep = 3;
  for (std::int64_t blow = 1; blow < 32; blow += kStep) {
    SCOPED_TRACE(fmt::format("killed after event {}", blow));
    repository.write("effects.txt", "");
    repository.commit_all("before");
    RunRef run;
    {
      Api api = world.api();
      run = api.dispatch(World::invocation(workspace, model, "go"));
      StreamOptions options;
      options.until = [&](Event const& event) { return event.id >= blow; };
      (void)api.stream(run, options);
    }
    strike(world, GetParam());
    Api api = world.api();
    auto const events = api.events(run);
    ASSERT_EQ(fault_of(events, run.run), "");
    ASSERT_EQ(text_of(events.back().data, "state"), "succeeded")
        << json::serialize(events.back().data) << world.server_log();
    EXPECT_EQ(text_of(events.back().data, "reply"), "All six.");
    EXPECT_EQ(repository.status(), "");
    // One that was under way is not repeated, so it may be missing; none comes twice.
    std::string const effects = repository.read("effects.txt");
    for (char const step : {'0', '1', '2', '3', '4', '5'})
      EXPECT_LE(std::ranges::count(effects, step), 1) << effects;
    EXPECT_GE(effects.size(), 2U * 5U) << effects;
  }
}

// While the change is committed: a little later each time, from the model's last word on.
TEST_P(KillSweep, AtAnyMomentOfTheCommitThereIsOneCommitInTheEnd) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "date +%N > changed.txt; seq 2000 | split -l 10 - part-"}}]},
    {"text": "Done."}])");
  world.serve();
  std::string const workspace = world.api().add_workspace(repository.path());
  constexpr Micros kStep{700};
  for (int blow = 0; blow < 14; ++blow) {
    SCOPED_TRACE(fmt::format("killed {} us after the last answer", (blow * kStep).count()));
    repository.git({"rm", "--quiet", "--ignore-unmatch", "part-*"});
    repository.commit_all("before");
    std::string const before = repository.head();
    RunRef run;
    {
      Api api = world.api();
      run = api.dispatch(World::invocation(workspace, model, "go"));
      ASSERT_TRUE(api.await_event(run, "done"));
    }
    pause(blow * kStep);
    strike(world, GetParam());
    Api api = world.api();
    auto const events = api.events(run);
    ASSERT_EQ(fault_of(events, run.run), "");
    ASSERT_EQ(text_of(events.back().data, "state"), "succeeded")
        << json::serialize(events.back().data) << world.server_log();
    EXPECT_EQ(count_of(events, "commit"), 1U);
    EXPECT_EQ(repository.commits(before + "..HEAD"), 1U);
    EXPECT_EQ(repository.status(), "");
    EXPECT_EQ(repository.git({"show", "--format=", "--name-only", "HEAD", "--", "part-aa"}),
              "part-aa");
  }
  EXPECT_EQ(repository.git({"fsck", "--strict", "--no-progress", "--no-dangling"}), "");
}

INSTANTIATE_TEST_SUITE_P(Killed, KillSweep,
                         ::testing::Values(Victim::unit, Victim::server, Victim::both),
                         ::testing::PrintToStringParamName());

TEST(Resume, AQueuedRunOutlivesTheServer) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"delay_ms": 300, "text": "Done."}])");
  world.serve();
  RunRef first;
  RunRef second;
  {
    Api api = world.api();
    auto const workspace = api.add_workspace(repository.path());
    first = api.dispatch(World::invocation(workspace, model, "one"));
    second = api.dispatch(World::invocation(workspace, model, "two"));
  }
  world.kill_server();
  world.serve();
  Api api = world.api();
  for (RunRef const& run : {first, second}) {
    auto const events = api.events(run);
    EXPECT_EQ(fault_of(events, run.run), "");
    EXPECT_EQ(text_of(events.back().data, "state"), "succeeded");
  }
}

TEST(Resume, AnOrderlyStopPutsTheRunBackAndTheNextStartEndsIt) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  RunRef run;
  {
    Api api = world.api();
    run = api.dispatch(
        World::invocation(api.add_workspace(repository.path()), world.model(kInterrupted), "go"));
    ASSERT_TRUE(eventually([&] { return repository.has(".claude/begun"); }));
  }
  world.stop_server();
  EXPECT_EQ(world.leftovers(), std::vector<std::string>{});
  world.serve();
  Api api = world.api();
  auto const events = api.events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_EQ(repository.git({"show", "HEAD:effects.txt"}), "first\nsecond");
}

TEST(Resume, AUnitThatDiesEveryTimeFailsTheRunAsLost) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"text": "never", "delay_ms": 60000}])");
  world.serve();
  Api api = world.api();
  auto const run =
      api.dispatch(World::invocation(api.add_workspace(repository.path()), model, "go"));
  StreamOptions options;
  options.until = [&](Event const& event) {
    if (event.type == "turn-accepted") kill_units(world);
    return false;
  };
  auto const stream = api.stream(run, options);
  ASSERT_TRUE(stream.ended);
  EXPECT_EQ(fault_of(stream.events, run.run), "");
  EXPECT_EQ(text_of(stream.events.back().data, "state"), "failed");
  EXPECT_EQ(text_of(stream.events.back().data, "reason"), "lost");
}

TEST(Resume, AWarmUnitThatWasKilledIsReplaced) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"text": "First."}, {"text": "Second."}])");
  world.serve();
  Api api = world.api();
  auto const run =
      api.dispatch(World::invocation(api.add_workspace(repository.path()), model, "go"));
  (void)api.events(run);
  auto const before = world.units();
  ASSERT_EQ(before.size(), 1U);
  kill_units(world);
  auto const outcome = world.drover({"send", "--json", run.session, "go on"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(text_of(outcome.lines().back(), "reply"), "Second.");
  EXPECT_NE(world.units(), before);
}

}  // namespace
}  // namespace drover::harness
