// Processes in C++, driven by the engine over a real run directory.
#include "workflow/native_host.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "workflow/create_run.h"
#include "workflow/iterate.h"
#include "workflow/query.h"
#include "workflow/testing.h"

namespace drover::workflow {
namespace {

class Natives : public testing::Scratch {
 protected:
  void make(Process process, json::value inputs = json::object{}) {
    processes_.add("flow", std::move(process));
    NewRun wanted;
    wanted.runs_root = folder_ + "/runs";
    wanted.run_id = "r";
    wanted.process_id = "flow";
    wanted.entry = Entrypoint{"native:flow", ""};
    wanted.inputs = std::move(inputs);
    auto const created = create_run(wanted, clock_, random_);
    ASSERT_TRUE(created) << created.error().message;
    run_ = created->folder;
  }
  HostSpec spec() const {
    HostSpec spec;
    spec.native = &processes_;
    return spec;
  }
  // To where it waits next, in an engine that was started for it, as after a restart.
  Iterated rest() {
    auto iterated = iterate(run_, spec(), clock_, random_);
    EXPECT_TRUE(iterated) << iterated.error().message;
    return iterated ? *std::move(iterated) : Iterated{};
  }
  void end(std::string const& label, Result<json::value> value) {
    auto opened = OpenRun::open(run_, "test", clock_, random_);
    ASSERT_TRUE(opened) << opened.error().message;
    for (auto const& effect : opened->history().effects()) {
      if (effect.label != label || effect.status != EffectStatus::requested) continue;
      TaskResult result;
      if (value) {
        result.value = *value;
      } else {
        result.outcome = Outcome::error;
        result.error = json::object{{"name", "Error"}, {"message", value.error().message}};
      }
      ASSERT_TRUE(opened->post(effect.id, std::move(result)));
      return;
    }
    FAIL() << "nothing waits with the label " << label;
  }
  static Result<json::value> failure(std::string message) {
    return std::unexpected(Error{ErrorCode::internal, std::move(message), ""});
  }
  static std::vector<std::string> labels(Iterated const& iterated) {
    std::vector<std::string> labels;
    for (auto const& action : iterated.actions)
      labels.push_back(action.effect.label);
    return labels;
  }
  using Labels = std::vector<std::string>;

  NativeProcesses processes_;
  RunFolder run_{""};
};

TaskCall step(std::string label) {
  TaskCall call;
  call.id = "step";
  call.label = std::move(label);
  call.definition = json::object{{"kind", "node"}};
  return call;
}
Flow<StepResult> ask(ProcessContext& ctx, std::string label) {
  co_return co_await ctx.task(step(std::move(label)));
}
std::vector<Branch> branches(ProcessContext& ctx, std::vector<std::string> const& labels) {
  std::vector<Branch> made;
  for (auto const& label : labels)
    made.emplace_back([&ctx, label] { return ask(ctx, label); });
  return made;
}

Flow<StepResult> two_steps(ProcessContext& ctx, json::value inputs) {
  std::vector<std::string> const all = {"all"};
  auto const first = co_await ctx.shell("make", all);
  if (!first) co_return std::unexpected(first.error());
  auto const second = co_await ctx.agent("fixer", "mend it");
  if (!second) co_return std::unexpected(second.error());
  co_return json::array{inputs.at("n"), *first, *second};
}

TEST_F(Natives, StepsAreEffectsAndTheRunOutlivesItsEngine) {
  make(two_steps, json::object{{"n", 7}});
  auto const first = rest();
  EXPECT_EQ(labels(first), Labels{"make"});
  EXPECT_EQ(json::serialize(first.actions.at(0).definition.at("shell")),
            R"({"command":"make","args":["all"]})");
  EXPECT_EQ(labels(rest()), Labels{"make"});
  end("make", json::value(1));
  auto const second = rest();
  EXPECT_EQ(labels(second), Labels{"fixer"});
  EXPECT_EQ(second.actions.at(0).effect.kind, "agent");
  end("fixer", json::value(2));
  auto const done = rest();
  EXPECT_EQ(done.state, IterateState::completed);
  EXPECT_EQ(json::serialize(done.output), "[7,1,2]");
  EXPECT_EQ(rest().state, IterateState::completed);
}

TEST_F(Natives, AnErrorOfAStepIsTheProcesssToTake) {
  make(two_steps, json::object{{"n", 7}});
  (void)rest();
  auto opened = OpenRun::open(run_, "test", clock_, random_);
  ASSERT_TRUE(opened);
  TaskResult bad;
  bad.outcome = Outcome::cancelled;
  bad.reason = "no";
  ASSERT_TRUE(opened->cancel(opened->history().effects().front().id, "no"));
  opened->release();
  auto const done = rest();
  EXPECT_EQ(done.state, IterateState::failed);
  EXPECT_NE(done.reason.find("no"), std::string::npos) << done.reason;
}

Flow<StepResult> throws(ProcessContext& ctx, json::value inputs) {
  auto const asked = co_await ask(ctx, "a");
  if (asked) throw std::runtime_error("broken");
  co_return inputs;
}

TEST_F(Natives, AnExceptionFailsTheRun) {
  make(throws);
  (void)rest();
  end("a", json::value(1));
  EXPECT_EQ(rest().reason, "process-error: broken");
}

Flow<StepResult> wide(ProcessContext& ctx, json::value inputs) {
  std::string const how{inputs.at("how").as_string()};
  auto const limit = inputs.at("limit").to_number<std::size_t>();
  auto made = branches(ctx, {"a", "b", "c"});
  if (how == "all") co_return co_await ctx.all(std::move(made), limit);
  if (how == "settled") co_return co_await ctx.settled(std::move(made), limit);
  if (how == "race") co_return co_await ctx.race(std::move(made), limit);
  co_return co_await ctx.any(std::move(made), limit);
}

json::object how(std::string_view name, int limit) {
  return json::object{{"how", name}, {"limit", limit}};
}

TEST_F(Natives, AllOfThemInTheirPlacesAndSoManyAtATime) {
  make(wide, how("all", 2));
  EXPECT_EQ(labels(rest()), (Labels{"a", "b"}));
  end("b", json::value("B"));
  EXPECT_EQ(labels(rest()), (Labels{"a", "c"}));
  end("c", json::value(nullptr));
  end("a", json::value("A"));
  EXPECT_EQ(json::serialize(rest().output), R"(["A","B",null])");
}

TEST_F(Natives, SettledTakesErrorsToo) {
  make(wide, how("settled", 3));
  (void)rest();
  end("a", failure("no"));
  end("b", json::value(1));
  end("c", json::value(2));
  auto const done = rest();
  EXPECT_EQ(done.output.at(0).at("reason").at("message").as_string(), "no");
  EXPECT_EQ(done.output.at(2).at("value").as_int64(), 2);
}

TEST_F(Natives, WhatLosesARaceIsCancelled) {
  make(wide, how("race", 3));
  (void)rest();
  end("b", json::value("B"));
  auto const done = rest();
  EXPECT_EQ(json::serialize(done.output), "\"B\"");
  auto const view = read_run(run_);
  for (auto const& effect : view->history.effects())
    EXPECT_EQ(effect.status,
              effect.label == "b" ? EffectStatus::resolved_ok : EffectStatus::cancelled);
}

TEST_F(Natives, ARaceThatIsDecidedBeginsNoMore) {
  make(wide, how("race", 1));
  EXPECT_EQ(labels(rest()), Labels{"a"});
  end("a", json::value(1));
  EXPECT_EQ(rest().state, IterateState::completed);
  EXPECT_EQ(read_run(run_)->history.effects().size(), 1U);
}

TEST_F(Natives, AnyTakesTheFirstThatSucceeds) {
  make(wide, how("any", 3));
  (void)rest();
  end("a", failure("no"));
  EXPECT_EQ(labels(rest()), (Labels{"b", "c"}));
  end("c", json::value("C"));
  EXPECT_EQ(json::serialize(rest().output), "\"C\"");
}

TEST_F(Natives, AnyOfNoneThatSucceedsFails) {
  make(wide, how("any", 3));
  (void)rest();
  for (auto const* const label : {"a", "b", "c"})
    end(label, failure(label));
  EXPECT_EQ(rest().reason, "process-error: every branch failed");
}

Flow<StepResult> tries(ProcessContext& ctx, json::value inputs) {
  TaskCall call = step("flaky");
  call.retry.attempts = inputs.at("attempts").to_number<int>();
  call.retry.backoff = Millis{1000};
  if (inputs.as_object().contains("timeout")) call.timeout = Millis{500};
  co_return co_await ctx.task(std::move(call));
}

TEST_F(Natives, ATaskIsTriedAgainAfterAWhile) {
  make(tries, json::object{{"attempts", 2}});
  (void)rest();
  end("flaky", failure("once"));
  EXPECT_EQ(rest().reason, "sleep-waiting");
  clock_.advance(Millis{1000});
  EXPECT_EQ(labels(rest()), Labels{"flaky"});
  end("flaky", failure("twice"));
  EXPECT_EQ(rest().reason, "process-error: twice");
}

TEST_F(Natives, ATaskThatTakesTooLongIsCancelled) {
  make(tries, json::object{{"attempts", 1}, {"timeout", true}});
  (void)rest();
  clock_.advance(Millis{500});
  auto const done = rest();
  EXPECT_EQ(done.reason, "process-error: step took longer than 500 ms");
  EXPECT_EQ(read_run(run_)->history.pending(), 0U);
}

Flow<StepResult> draws(ProcessContext& ctx, json::value inputs) {
  auto const at = co_await ctx.now();
  auto const number = co_await ctx.random();
  auto const id = co_await ctx.uuid();
  auto const is_new = co_await ctx.patched("change");
  auto const asked = co_await ask(ctx, "a");
  co_return json::array{at, number, id, is_new, asked.value_or(nullptr), inputs};
}

TEST_F(Natives, WhatIsDrawnIsRecorded) {
  make(draws);
  (void)rest();
  auto const before = read_run(run_)->history.head().seq;
  clock_.advance(Millis{5000});
  (void)rest();
  EXPECT_EQ(read_run(run_)->history.head().seq, before);
  end("a", json::value(1));
  auto const done = rest();
  EXPECT_EQ(done.output.at(0).to_number<std::int64_t>(), to_unix_ms(clock_.now()) - 5000);
  EXPECT_TRUE(done.output.at(3).as_bool());
}

Flow<StepResult> people(ProcessContext& ctx, json::value inputs) {
  BreakpointCall gate;
  gate.payload = json::object{{"question", "ship it?"}};
  gate.label = "Ship It";
  auto const answer = co_await ctx.breakpoint(std::move(gate));
  if (!answer) co_return answer;
  ctx.answer("gate", [&](json::value const&) { return StepResult{*answer}; });
  auto const told = co_await ctx.signal("go");
  if (!told) co_return told;
  if (told->is_null()) co_return ctx.halt("not told", inputs);
  co_return co_await ctx.child("other.mjs", *told);
}

TEST_F(Natives, BreakpointsSignalsQueriesAndChildren) {
  make(people);
  auto const gate = rest();
  EXPECT_EQ(gate.reason, "breakpoint-waiting");
  EXPECT_EQ(gate.actions.at(0).effect.step_id, "__sdk.breakpoint.ship-it");
  EXPECT_EQ(gate.actions.at(0).definition.at("metadata").at("requestedAt").as_string(),
            to_rfc3339(clock_.now()));
  clock_.advance(Millis{1000});
  end("Ship It", json::object{{"approved", true}});
  EXPECT_EQ(rest().reason, "signal-pending");
  auto const answered = query(run_, "gate", nullptr, spec(), clock_, random_);
  ASSERT_TRUE(answered) << answered.error().message;
  EXPECT_TRUE(answered->at("approved").as_bool());
  EXPECT_FALSE(query(run_, "other", nullptr, spec(), clock_, random_));
  {
    auto opened = OpenRun::open(run_, "test", clock_, random_);
    json::object data{{"name", "go"}, {"payload", 3}};
    ASSERT_TRUE(opened->append(NewEvent{event_type::kSignal, std::move(data)}));
  }
  auto const child = rest();
  EXPECT_EQ(child.reason, "child-pending");
  EXPECT_EQ(child.actions.at(0).definition.at("child").at("inputs").as_int64(), 3);
}

TEST_F(Natives, AContradictionNamesTheLine) {
  make(two_steps, json::object{{"n", 7}});
  (void)rest();
  processes_.add("flow", people);
  auto const again = iterate(run_, spec(), clock_, random_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::conflict);
  EXPECT_NE(again.error().message.find("native_host_test.cc:"), std::string::npos)
      << again.error().message;
}

TEST_F(Natives, AProgramWithoutTheProcessSaysWhichItHas) {
  make(two_steps, json::object{{"n", 7}});
  NativeProcesses others;
  others.add("other", people);
  HostSpec other;
  other.native = &others;
  EXPECT_EQ(iterate(run_, other, clock_, random_).error().next, "it has: other");
  EXPECT_EQ(iterate(run_, {}, clock_, random_).error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace drover::workflow
