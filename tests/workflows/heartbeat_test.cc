// Effects that are to be heard of: commands that drover carries out, and what others work on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "workflows/driven.h"

namespace drover::harness {
namespace {

using ::testing::HasSubstr;

class Beats : public DrivenTest {
 protected:
  json::value run_to_end(std::string const& source) {
    flow_.rewrite(source);
    flow_.create("r");
    auto const ran = flow_.drover({"workflow", "run", "r"});
    EXPECT_EQ(ran.exit_code, 0) << ran.text();
    return flow_.output("r");
  }
};

TEST_F(Beats, ACommandThatFallsSilentIsKilledAndTriedAgainFromWhereItWas) {
  auto const output = run_to_end(R"js(
    const step = { id: 'step', build: (args, context) => ({ kind: 'shell', title: 'step',
      shell: { command: `if [ -n "$DROVER_LAST_HEARTBEAT" ]; then echo "from $DROVER_LAST_HEARTBEAT"; exit; fi
                         echo '{"done":3}' > $DROVER_HEARTBEAT; exec sleep 60` } }) };
    export async function process(inputs, ctx) {
      return ctx.task(step, {}, { heartbeatTimeoutMs: 400, retry: { attempts: 2, backoffMs: 1 } });
    })js");
  EXPECT_EQ(output.at("success"), true);
  EXPECT_EQ(output.at("stdout"), "from {\"done\":3}\n");
}

// Both are signs of life: what is printed, and the file.
TEST_F(Beats, ACommandThatIsHeardOfLivesOn) {
  auto const output = run_to_end(R"js(
    const says = (command) => ({ id: 'says', build: () => ({ kind: 'shell', title: command, shell: { command } }) });
    export async function process(inputs, ctx) {
      return ctx.parallel.map(['for i in $(seq 12); do echo $i; sleep 0.3; done',
        'for i in $(seq 12); do echo $i > $DROVER_HEARTBEAT; sleep 0.3; done'],
        (command, n) => ctx.task(says(command), { n }, { heartbeatTimeoutMs: 3000 }));
    })js");
  EXPECT_EQ(output.at(0).at("success"), true) << json::serialize(output);
  EXPECT_EQ(output.at(1).at("success"), true) << json::serialize(output);
}

TEST_F(Beats, WhatASilentCommandSaidLastIsInItsError) {
  auto const output = run_to_end(R"js(
    const shell = { id: 'silent', build: () => ({ kind: 'shell', title: 's', heartbeatTimeoutMs: 300,
      shell: { command: 'echo out; echo half > $DROVER_HEARTBEAT; exec sleep 60' } }) };
    export async function process(inputs, ctx) {
      try { await ctx.task(shell, {}); } catch (error) { return { name: error.name, data: error.data }; }
    })js");
  EXPECT_EQ(output.at("name"), "EffectHeartbeatError");
  EXPECT_EQ(output.at("data").at("heartbeat"), "half");
  EXPECT_EQ(output.at("data").at("stdout"), "out\n");
}

constexpr auto const* kReview = R"js(
  const review = { id: 'review', build: (args, context) => ({ kind: 'review', title: 'r', from: context.lastHeartbeat ?? null }) };
  export async function process(inputs, ctx) {
    return ctx.task(review, {}, { heartbeatTimeoutMs: inputs.ms, retry: { attempts: 2, backoffMs: 1 } });
  })js";

TEST_F(Beats, WhoWorksOnAnEffectOutsideSaysSoOrItIsAskedForAnew) {
  process(kReview);
  flow_.world().serve();
  start("w", {{"inputs", json::object{{"ms", 3000}}}});
  auto const first = waits("w");
  EXPECT_EQ(post("w/tasks/" + first + "/heartbeat", {{"details", json::object{{"page", 4}}}}), 200);
  std::string second;
  ASSERT_TRUE(eventually([&] {
    auto const tasks = get("w/tasks?pending=true&kind=review").at("tasks").as_array();
    if (tasks.size() != 1) return false;
    second = tasks.at(0).at("effectId").as_string();
    return second != first;
  }));
  EXPECT_EQ(get("w/tasks/" + second).at("task").at("from").at("page"), 4);
  auto const gone = get("w/tasks/" + first).at("result");
  EXPECT_EQ(gone.at("error").at("name"), "EffectHeartbeatError");
  // Nobody waits for the first any more, which is how its worker learns that.
  EXPECT_EQ(post("w/tasks/" + first + "/heartbeat", {}), 409);
  EXPECT_EQ(post("w/tasks/none/heartbeat", {}), 404);
  EXPECT_EQ(post("w/tasks/" + second + "/result", {{"value", "fine"}}), 200);
  ASSERT_TRUE(comes_to("w", "completed"));
  EXPECT_EQ(output("w"), "fine");
}

TEST_F(Beats, EachPutsTheEndOffAlsoByTheCommandLine) {
  flow_.rewrite(kReview);
  flow_.create("r", R"({"ms": 5000})");
  auto const effect = pending(flow_.iterate("r")).front();
  auto const begin = uptime();
  while (uptime() - begin < Millis{6'000}) {
    auto const beat = flow_.drover({"workflow", "heartbeat", "r", effect, "--details", "1"});
    ASSERT_EQ(beat.exit_code, 0) << beat.text();
    EXPECT_EQ(pending(flow_.iterate("r")).front(), effect);
  }
  // And then nothing: the next look ends it, and asks anew.
  EXPECT_TRUE(eventually([&] {
    auto const now = flow_.iterate("r");
    return now.at("reason") == "review-pending" && pending(now).front() != effect;
  }));
  auto const late = flow_.drover({"workflow", "heartbeat", "r", effect});
  EXPECT_THAT(late.err, HasSubstr("has ended"));
}

// The SDK's commands go on with a run that has heartbeats.
TEST_F(Beats, TheSdkReadsSuchARun) {
  flow_.rewrite(kReview);
  flow_.create("r", R"({"ms": 60000})");
  auto const effect = pending(flow_.iterate("r")).front();
  ASSERT_EQ(flow_.drover({"workflow", "heartbeat", "r", effect}).exit_code, 0);
  auto const listed = printed(flow_.sdk({"task:list", "r", "--pending"}));
  EXPECT_EQ(listed.at("tasks").as_array().size(), 1U);
  auto const posted =
      flow_.sdk({"task:post", "r", effect, "--status", "ok", "--value-inline", "5"});
  EXPECT_EQ(posted.exit_code, 0) << posted.text();
  EXPECT_EQ(flow_.iterate("r").at("status"), "completed");
}

}  // namespace
}  // namespace drover::harness
