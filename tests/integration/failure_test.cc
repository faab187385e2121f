// Runs that fail, and providers that fail without the run failing.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"

namespace drover::harness {
namespace {

// What the interrupt of a unit may take (the server's grace) and some room for a busy machine.
constexpr Millis kGrace{3'500};

TEST(Failure, ARefusedModelCallFailsTheRunAndSetsItsChangesAside) {
  World world;
  auto const repository = world.repository("project");
  std::string const before = repository.head();
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "Write", "input": {"file_path": "/workspace/half.txt", "content": "half\n"}},
                    {"name": "Write", "input": {"file_path": "/workspace/README.md", "content": "half\n"}}]},
    {"faults": [{"kind": "status", "status": 400, "message": "no such luck", "times": 100}]}
  ])");
  world.serve();
  auto const outcome =
      world.drover({"run", "--json", "-w", repository.path(), "--model", model, "go"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  auto const end = outcome.lines().back();
  EXPECT_EQ(text_of(end, "state"), "failed");
  EXPECT_EQ(text_of(end, "reason"), "model_error");
  EXPECT_TRUE(text_of(end, "detail").contains("no such luck")) << text_of(end, "detail");

  EXPECT_EQ(repository.head(), before);
  EXPECT_EQ(repository.status(), "");
  EXPECT_FALSE(repository.has("half.txt"));
  EXPECT_EQ(repository.read("README.md"), "a project\n");
  std::string const rescue = "refs/drover/rescue/" + text_of(end, "run");
  EXPECT_EQ(repository.git({"show", rescue + ":half.txt"}), "half");
  EXPECT_EQ(repository.git({"show", rescue + ":README.md"}), "half");
  EXPECT_EQ(repository.show("%P", rescue), before);
}

TEST(Failure, TheNextTurnIsToldWhatWasSetAside) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "Write", "input": {"file_path": "/workspace/half.txt", "content": "half\n"}}]},
    {"faults": [{"kind": "status", "status": 400}],
     "expect": {},
     "text": "never"}
  ])");
  world.serve();
  Api api = world.api();
  auto const first =
      api.dispatch(World::invocation(api.add_workspace(repository.path()), model, "go"));
  ASSERT_EQ(text_of(last_of(api.events(first), "turn-complete"), "state"), "failed");
  auto const retry = world.model(R"([{}, {"expect": {"last_user_text_contains":
    ["Note from drover", "refs/drover/rescue/", "try again"]}, "text": "Understood."}])");
  auto const outcome =
      world.drover({"send", "--json", first.session, "--model", retry, "try again"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
}

TEST(Failure, ASilentAttemptIsEndedAndAnotherMade) {
  World world;
  auto const repository = world.repository("project");
  // The provider hangs twice; nobody hears of the unit meanwhile.
  auto const model = world.model(R"([
    {"faults": [{"kind": "hang", "times": 2}], "text": "At last."}])");
  world.serve();
  Api api = world.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "go");
  invocation["limits"] = {{"step_s", 1}};
  auto const run = api.dispatch(invocation);
  auto const events = api.events(run);
  EXPECT_EQ(fault_of(events, run.run), "");
  auto const& end = events.back().data;
  EXPECT_EQ(text_of(end, "state"), "succeeded") << json::serialize(end);
  EXPECT_EQ(integer_or(end, "epoch", 0), 3);
  ASSERT_EQ(count_of(events, "limit"), 2U);
  EXPECT_EQ(text_of(last_of(events, "limit"), "which"), "step_s");
}

struct Fault {
  char const* name;
  char const* json;
};

class SurvivedFault : public ::testing::TestWithParam<Fault> {};

TEST_P(SurvivedFault, TheRunTriesAgainAndSaysSo) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(std::string{R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "echo once >> count.txt"}}]},
    {"text": "The work is done.", "faults": [)"} +
                                 GetParam().json + "]}]");
  world.serve();
  auto const outcome =
      world.drover({"run", "--json", "-w", repository.path(), "--model", model, "go"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  auto const lines = outcome.lines();
  EXPECT_GE(std::ranges::count_if(
                lines, [](auto const& line) { return text_of(line, "type") == "retry"; }),
            1)
      << outcome.out;
  EXPECT_EQ(text_of(lines.back(), "reply"), "The work is done.");
  EXPECT_EQ(repository.git({"show", "HEAD:count.txt"}), "once");
}

INSTANTIATE_TEST_SUITE_P(
    Failure, SurvivedFault,
    ::testing::Values(
        Fault{"rate_limited", R"({"kind": "status", "status": 429, "retry_after_ms": 50})"},
        Fault{"overloaded", R"({"kind": "status", "status": 529})"},
        Fault{"server_error", R"({"kind": "status", "status": 500})"},
        Fault{"cut", R"({"kind": "cut", "after_events": 3})"},
        Fault{"malformed", R"({"kind": "malformed", "after_events": 2})"},
        Fault{"overloaded_in_stream", R"({"kind": "stream_error", "after_events": 3})"}),
    [](auto const& info) { return std::string{info.param.name}; });

constexpr std::string_view kEndless =
    R"([{"repeat": 1000, "tool_calls": [{"name": "Bash", "input": {"command": "echo {{iteration}}"}}],
         "usage": {"input": 300000, "output": 100000}}])";

TEST(Failure, MaxTurnsEndsTheRun) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  auto const outcome = world.drover({"run", "--json", "-w", repository.path(), "--model",
                                     world.model(kEndless), "--max-turns", "3", "go"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  auto const end = outcome.lines().back();
  EXPECT_EQ(text_of(end, "reason"), "max_turns");
  EXPECT_EQ(integer_or(end, "turns", 0), 3);
}

TEST(Failure, TheBudgetRefusesTheCallThatWouldPassIt) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kEndless, R"(, "pricing": {"input": 1, "output": 1})");
  world.serve();
  auto const outcome = world.drover(
      {"run", "--json", "-w", repository.path(), "--model", model, "--max-budget-usd", "1", "go"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  auto const end = outcome.lines().back();
  EXPECT_EQ(text_of(end, "reason"), "budget_exhausted") << json::serialize(end);
  // 0.4 dollars a call: two fit under one dollar, and the third was still let through with its
  // estimate; what is spent is what the provider says.
  double const spent = end.at("usage").at("cost_usd").to_number<double>();
  EXPECT_GE(spent, 0.8);
  EXPECT_LE(spent, 1.2);
}

TEST(Failure, TheTimeoutEndsAHangingTool) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(
      R"([{"tool_calls": [{"name": "Bash", "input": {"command": "echo begun > half.txt; sleep 600"}}]}])");
  world.serve();
  auto const started = uptime();
  auto const outcome = world.drover(
      {"run", "--json", "-w", repository.path(), "--model", model, "--timeout", "1s", "go"});
  EXPECT_LT(uptime() - started, Millis{1'000} + kGrace);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  EXPECT_EQ(text_of(outcome.lines().back(), "reason"), "timeout");
  EXPECT_EQ(repository.status(), "");
  EXPECT_TRUE(world.units().empty());
}

TEST(Failure, TheTimeoutEndsAHangingModel) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"faults": [{"kind": "hang", "times": 100}]}])");
  world.serve();
  auto const started = uptime();
  auto const outcome = world.drover(
      {"run", "--json", "-w", repository.path(), "--model", model, "--timeout", "1s", "go"});
  EXPECT_LT(uptime() - started, Millis{1'000} + kGrace);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.text();
  EXPECT_EQ(text_of(outcome.lines().back(), "reason"), "timeout");
}

TEST(Failure, AnUnknownModelFileIsRefusedBeforeAnythingStarts) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  for (std::string const& name : {std::string{"scripted:/nowhere/model.json"},
                                  std::string{"martian/one"}, std::string{"anthropic/claude-x"}}) {
    auto const outcome = world.drover({"run", "-w", repository.path(), "--model", name, "go"});
    EXPECT_EQ(outcome.exit_code, 2) << name << ": " << outcome.text();
    EXPECT_FALSE(outcome.err.empty());
  }
  EXPECT_EQ(world.api().get("/api/v1/runs").body.at("runs").as_array().size(), 0U);
}

}  // namespace
}  // namespace drover::harness
