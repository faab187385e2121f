// drover and the SDK from npm on the same runs.
#include <gtest/gtest.h>

#include <algorithm>

#include <boost/json.hpp>

#include "workflows/flow.h"

namespace drover::harness {
namespace {

constexpr auto const* kProcess = R"(export async function process(inputs, ctx) {
    const a = await ctx.task(task('alpha'), { x: inputs.x });
    const gate = await ctx.breakpoint({ question: 'ok?' }, { label: 'Approve it' });
    const [b, c] = await ctx.parallel.all([
      () => ctx.task(task('beta'), { a }, { label: 'second' }),
      () => ctx.task(task('gamma'), { a }),
    ]);
    return { a, gate, b, c };
  })";

constexpr auto const* kOutput = R"({"a":1,"gate":1,"b":1,"c":1})";

class Interop : public ::testing::Test {
 protected:
  using Command = Outcome (Flow::*)(std::vector<std::string>) const;

  void sdk_creates(std::string const& run) {
    std::string const inputs = flow_.root() + "/inputs.json";
    flow_.create("unused", R"({"x":5})");  // writes the inputs
    auto const outcome = flow_.sdk({"run:create", "--process-id", "flow", "--entry", flow_.entry(),
                                    "--inputs", inputs, "--run-id", run});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  }
  // Each of the two does every other step.
  void alternate(std::string const& run, Command iterates, Command posts) {
    for (int i = 0; i < 10; ++i) {
      auto const iterated = printed((flow_.*iterates)({"run:iterate", run}));
      if (iterated.at("status").as_string() != "waiting") {
        EXPECT_EQ(iterated.at("status").as_string(), "completed");
        return;
      }
      for (auto const& effect : pending(iterated)) {
        auto const posted =
            (flow_.*posts)({"task:post", run, effect, "--status", "ok", "--value-inline", "1"});
        ASSERT_EQ(posted.exit_code, 0) << posted.text();
      }
      iterates = iterates == &Flow::drover ? &Flow::sdk : &Flow::drover;
      posts = posts == &Flow::drover ? &Flow::sdk : &Flow::drover;
    }
    FAIL() << "the run does not end";
  }
  void both_say_the_same(std::vector<std::string> const& words) {
    auto const ours = flow_.drover(words);
    auto const theirs = flow_.sdk(words);
    EXPECT_EQ(ours.out, theirs.out);
    EXPECT_EQ(ours.exit_code, theirs.exit_code);
  }

  Flow flow_{kProcess};
};

TEST_F(Interop, DroverContinuesARunOfTheSdkToItsEnd) {
  sdk_creates("theirs");
  alternate("theirs", &Flow::drover, &Flow::drover);
  EXPECT_EQ(json::serialize(flow_.output("theirs")), kOutput);
  auto const types = flow_.journal_types("theirs");
  EXPECT_EQ(std::ranges::count(types, "EFFECT_REQUESTED"), 4);
}

TEST_F(Interop, StepsOfBothMakeOneRun) {
  sdk_creates("first");
  alternate("first", &Flow::sdk, &Flow::drover);
  EXPECT_EQ(json::serialize(flow_.output("first")), kOutput);
  auto const types = flow_.journal_types("first");
  EXPECT_EQ(std::ranges::count(types, "EFFECT_REQUESTED"), 4);
  EXPECT_EQ(std::ranges::count(types, "RUN_COMPLETED"), 1);
}

TEST_F(Interop, TheSdkReadsARunOfDrovers) {
  flow_.create("ours", R"({"x":5})");
  auto const iterated = flow_.iterate("ours");
  both_say_the_same({"task:list", "ours"});
  both_say_the_same({"task:list", "ours", "--pending"});
  both_say_the_same({"run:events", "ours"});
  both_say_the_same({"task:show", "ours", pending(iterated).front()});
  auto const status = printed(flow_.sdk({"run:status", "ours"}));
  EXPECT_EQ(status.at("state").as_string(), "waiting");
  auto const posted = flow_.sdk(
      {"task:post", "ours", pending(iterated).front(), "--status", "ok", "--value-inline", "1"});
  EXPECT_EQ(posted.exit_code, 0) << posted.text();
  EXPECT_EQ(flow_.iterate("ours").at("reason").as_string(), "breakpoint-waiting");
  EXPECT_EQ(flow_.finish("ours").at("status").as_string(), "completed");
  EXPECT_EQ(printed(flow_.sdk({"run:status", "ours"})).at("state").as_string(), "completed");
  auto const proof = printed(flow_.sdk({"run:status", "ours"})).at("completionProof");
  EXPECT_EQ(printed(flow_.drover({"run:status", "ours"})).at("completionProof"), proof);
}

TEST_F(Interop, TheSdkIteratesARunThatDroverMade) {
  flow_.create("fresh", R"({"x":5})");
  auto const iterated = printed(flow_.sdk({"run:iterate", "fresh"}));
  EXPECT_EQ(iterated.at("reason").as_string(), "node-pending");
  // It counts calls, and so does drover in what follows.
  alternate("fresh", &Flow::drover, &Flow::sdk);
  EXPECT_EQ(json::serialize(flow_.output("fresh")), kOutput);
}

TEST_F(Interop, OnARunOfTheSdkBothPrintTheSame) {
  sdk_creates("theirs");
  (void)flow_.sdk({"run:iterate", "theirs"});
  both_say_the_same({"run:status", "theirs"});
  both_say_the_same({"run:events", "theirs"});
  both_say_the_same({"task:list", "theirs"});
  both_say_the_same({"run:rebuild-state", "theirs"});
  // The count of iterations is a guess from the state that rebuild-state left.
  both_say_the_same({"run:iterate", "theirs"});
}

}  // namespace
}  // namespace drover::harness
