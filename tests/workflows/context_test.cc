// What a process can do, run by the real Node.
#include <gtest/gtest.h>

#include <algorithm>

#include <boost/json.hpp>

#include "os/files.h"
#include "workflows/flow.h"

namespace drover::harness {
namespace {

std::string text(json::value const& value) {
  return json::serialize(value);
}

TEST(Context, ATryThatCatchesEverythingSwallowsNoSuspension) {
  Flow const flow{R"(export async function process(inputs, ctx) {
    try { return { r: await ctx.task(task('a'), {}) }; } catch (e) { return { caught: e.name }; }
  })"};
  flow.create("r");
  EXPECT_EQ(flow.iterate("r").at("status").as_string(), "waiting");
  EXPECT_EQ(flow.iterate("r").at("status").as_string(), "waiting");
  EXPECT_EQ(flow.finish("r", "7").at("status").as_string(), "completed");
  EXPECT_EQ(text(flow.output("r")), R"({"r":7})");
}

TEST(Context, AReplayAsksForNothingNewAndSaysTheSame) {
  Flow const flow{R"(export async function process(inputs, ctx) {
    const a = await ctx.task(task('a'), { n: 1 });
    const both = await ctx.parallel.all([() => ctx.task(task('b'), { n: 2 }), () => ctx.task(task('b'), { n: 3 })]);
    const said = [ctx.now().getTime(), ctx.random(), ctx.uuid(), Math.random(), Date.now(), crypto.randomUUID()];
    await ctx.task(task('c'), { said });
    return { a, both, said };
  })"};
  flow.create("r");
  EXPECT_EQ(flow.finish("r", "5").at("status").as_string(), "completed");
  auto const types = flow.journal_types("r");
  EXPECT_EQ(types.size(), 2 + 2 * 4 + 3);  // now, random and uuid are recorded
}

TEST(Context, PlacesAreKeptWhateverIsUndefined) {
  Flow const flow{R"(export async function process(inputs, ctx) {
    return ctx.parallel.map([1, 2, 3], async (n) => { if (n === 2) return undefined; return ctx.task(task('m'), { n }); },
      { maxConcurrency: 1 });
  })"};
  flow.create("r");
  auto const first = flow.iterate("r");
  EXPECT_EQ(pending(first).size(), 1);  // the limit holds
  (void)flow.finish("r", "9");
  EXPECT_EQ(text(flow.output("r")), "[9,null,9]");
}

TEST(Context, WhatLosesARaceIsCancelled) {
  Flow const flow{R"(export async function process(inputs, ctx) {
    const winner = await ctx.parallel.race([() => ctx.task(task('slow'), {}), () => ctx.task(task('fast'), {})]);
    const any = await ctx.parallel.any([async () => { throw new Error('no'); }, async () => 'yes']);
    const settled = await ctx.parallel.settled([async () => 1, async () => { throw new Error('x'); }]);
    return { winner, any, settled: settled.map((s) => s.status) };
  })"};
  flow.create("r");
  flow.post("r", pending(flow.iterate("r"), "fast"), "\"fast\"");
  EXPECT_EQ(flow.iterate("r").at("status").as_string(), "completed");
  EXPECT_EQ(text(flow.output("r")),
            R"({"winner":"fast","any":"yes","settled":["fulfilled","rejected"]})");
  EXPECT_EQ(flow.journal_types("r").end()[-2], "EFFECT_CANCELLED");
}

// Once, a race with a limit started what was left after its end. A journal that has such a start
// goes on having it.
TEST(Context, ARaceThatIsDecidedStartsNothingMoreButWhereItDid) {
  std::string const race = R"(export async function process(inputs, ctx) {
    return ctx.parallel.race([0, 1, 2].map((i) => () => ctx.task(task('a'), { i })), { concurrency: 1 });
  })";
  Flow const flow{R"(export async function process(inputs, ctx) {
    const first = await ctx.task(task('a'), { i: 0 });
    ctx.task(task('a'), { i: 1 });
    return first;
  })"};
  flow.create("old");
  flow.post("old", pending(flow.iterate("old")).front(), "1");
  auto const extra = pending(flow.iterate("old"));
  ASSERT_EQ(extra.size(), 1);
  flow.rewrite(race);
  EXPECT_EQ(pending(flow.iterate("old")), extra);
  flow.create("new");
  flow.post("new", pending(flow.iterate("new")).front(), "1");
  EXPECT_EQ(flow.iterate("new").at("status").as_string(), "completed");
  EXPECT_EQ(flow.journal_types("new").end()[-2], "DROVER_RECORDED");
}

TEST(Context, AFailedTaskIsTriedAgainAfterItsBackoff) {
  Flow const flow{R"(export async function process(inputs, ctx) {
    return ctx.task(task('a'), {}, { retry: { attempts: 2, backoffMs: 1 } });
  })"};
  flow.create("r");
  auto const first = pending(flow.iterate("r"), "a");
  EXPECT_EQ(flow.drover({"task:post", "r", first, "--status", "error"}).exit_code, 1);
  auto again = flow.iterate("r");
  while (again.at("reason").as_string() == "sleep-waiting")
    again = flow.iterate("r");
  auto const second = pending(again, "a");
  EXPECT_NE(second, first);
  flow.post("r", second, "3");
  EXPECT_EQ(flow.iterate("r").at("status").as_string(), "completed");
}

TEST(Context, ASignalThatCameEarlyIsTaken) {
  Flow const flow{R"(export async function process(inputs, ctx) {
    await ctx.task(task('a'), {});
    return [await ctx.signal('go'), await ctx.signal('go')];
  })"};
  flow.create("r");
  (void)flow.iterate("r");
  EXPECT_EQ(flow.drover({"workflow", "signal", "r", "go", "--value", "1"}).exit_code, 0);
  flow.post("r", pending(flow.iterate("r"), "a"), "null");
  EXPECT_EQ(flow.iterate("r").at("reason").as_string(), "signal-pending");
  EXPECT_EQ(flow.drover({"workflow", "signal", "r", "go", "--value", "2"}).exit_code, 0);
  EXPECT_EQ(flow.iterate("r").at("status").as_string(), "completed");
  EXPECT_EQ(text(flow.output("r")), "[1,2]");
}

TEST(Context, AnElapsedSleepEndsItsEffect) {
  Flow const flow{R"(export async function process(inputs, ctx) {
    await ctx.sleepUntil(0);
    await ctx.sleep(300);
    return 'slept';
  })"};
  flow.create("r");
  EXPECT_EQ(flow.iterate("r").at("reason").as_string(), "sleep-waiting");
  auto const driven = flow.drover({"workflow", "run", "r"});
  EXPECT_EQ(driven.exit_code, 0) << driven.text();
  auto const tasks = printed(flow.drover({"task:list", "r", "--pending"}));
  EXPECT_TRUE(tasks.at("tasks").as_array().empty());
}

TEST(Context, AResidentRunGoesOnAsResultsArePosted) {
  Flow flow{R"(export async function process(inputs, ctx) {
    let sum = 0;
    for (let i = 0; i < 5; ++i) sum += await ctx.task(task('step'), { i });
    return sum;
  })"};
  flow.create("r");
  auto driver =
      flow.world().start_drover({"workflow", "run", "r", "--runs-dir", flow.root() + "/runs"});
  for (int i = 0; i < 5; ++i) {
    std::string effect;
    while (effect.empty()) {
      auto const list = printed(flow.drover({"task:list", "r", "--pending"}));
      for (auto const& each : list.at("tasks").as_array())
        effect = each.at("effectId").as_string().c_str();
    }
    flow.post("r", effect, "2");
  }
  auto const outcome = driver->finish();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(text(flow.output("r")), "10");
}

TEST(Context, HaltQueryAndContinueAsNew) {
  Flow const flow{R"(export async function process(inputs, ctx) {
    ctx.query('where', (args) => ({ at: inputs.mode, args }));
    if (inputs.mode === 'wait') await ctx.task(task('a'), {});
    if (inputs.mode === 'halt') { try { ctx.halt('enough', { k: 1 }); } catch {} await ctx.task(task('a'), {}); }
    if (inputs.mode === 'again') ctx.continueAsNew({ mode: 'wait' });
    return 'done';
  })"};
  flow.create("w", R"({"mode":"wait"})");
  auto const asked = flow.drover({"workflow", "query", "w", "where", "--value", "5"});
  EXPECT_EQ(text(printed(asked)), R"({"at":"wait","args":5})") << asked.text();
  flow.create("h", R"({"mode":"halt"})");
  auto const halted = flow.drover({"run:iterate", "h"});
  EXPECT_EQ(halted.exit_code, 1);
  EXPECT_EQ(printed(halted).at("status").as_string(), "halted");
  flow.create("a", R"({"mode":"again"})");
  EXPECT_EQ(flow.iterate("a").at("continuedAs").as_string(), "a-next");
  EXPECT_EQ(flow.iterate("a-next").at("status").as_string(), "waiting");
}

TEST(Context, CodeThatDoesSomethingElseIsToldWhatAndWhere) {
  Flow const flow{
      "export async function process(inputs, ctx) { await ctx.task(task('a'), { n: 1 }); }"};
  flow.create("r");
  (void)flow.iterate("r");
  auto const before = flow.journal_types("r");
  flow.rewrite(
      "export async function process(inputs, ctx) { await ctx.task(task('a'), { n: 2 }); }");
  auto const other = flow.drover({"run:iterate", "r"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.err.find("with other arguments"), std::string::npos) << other.text();
  EXPECT_NE(other.err.find("flow.mjs:2"), std::string::npos) << other.text();
  flow.rewrite(
      "export async function process(inputs, ctx) { await ctx.task(task('b'), { n: 1 }); }");
  auto const gone = flow.drover({"run:iterate", "r"});
  EXPECT_NE(gone.err.find("does not ask for a"), std::string::npos) << gone.text();
  EXPECT_NE(gone.err.find("it asks for b"), std::string::npos) << gone.text();
  // The journal has the change of the code, and nothing that the wrong code did.
  auto after = flow.journal_types("r");
  std::erase(after, "PROCESS_CODE_HASH_CHANGED");
  EXPECT_EQ(after, before);
}

TEST(Context, PatchedTellsOldRunsFromNewOnes) {
  std::string const patched = R"(export async function process(inputs, ctx) {
    const first = ctx.patched('p') ? await ctx.task(task('new'), {}) : await ctx.task(task('old'), {});
    return [first, await ctx.task(task('last'), {})];
  })";
  Flow const flow{
      "export async function process(inputs, ctx) { return [await ctx.task(task('old'), {}), await "
      "ctx.task(task('last'), {})]; }"};
  flow.create("old");
  (void)flow.iterate("old");
  flow.rewrite(patched);
  flow.create("new");
  EXPECT_EQ(flow.finish("old", "1").at("status").as_string(), "completed");
  EXPECT_NO_THROW((void)pending(flow.iterate("new"), "new"));
  EXPECT_EQ(flow.finish("new", "1").at("status").as_string(), "completed");
}

TEST(Context, AnErrorThatEscapesEndsTheRunOnce) {
  Flow const flow{"export async function process(inputs, ctx) { await ctx.task(task('a'), {}); }"};
  flow.create("r");
  auto const effect = pending(flow.iterate("r"), "a");
  (void)flow.drover({"task:post", "r", effect, "--status", "error"});
  auto const failed = flow.iterate("r");
  EXPECT_EQ(failed.at("status").as_string(), "failed");
  EXPECT_EQ(text(flow.iterate("r").at("reason")), text(failed.at("reason")));
  EXPECT_EQ(flow.journal_types("r").back(), "PROCESS_RUNTIME_ERROR");
  EXPECT_EQ(printed(flow.drover({"run:status", "r"})).at("state").as_string(), "failed");
}

TEST(Context, WhatAProcessLogsIsWrittenOnce) {
  Flow const flow{R"(export async function process(inputs, ctx) {
    ctx.log('first');
    await ctx.task(task('a'), {});
    ctx.log('label', 'second');
  })"};
  flow.create("r");
  EXPECT_EQ(flow.finish("r").at("status").as_string(), "completed");
  auto const log = os::read_file(flow.run_folder("r") + "/state/process.log");
  ASSERT_TRUE(log);
  EXPECT_EQ(std::ranges::count(*log, '\n'), 2) << *log;
  EXPECT_LT(log->find("first"), log->find("second"));
}

TEST(Context, ARunGoesOnWhenItsCodeIsMended) {
  Flow const flow{
      "export async function process(inputs, ctx) { await ctx.task(task('a'), {}); throw new "
      "Error('x'); }"};
  flow.create("r");
  EXPECT_EQ(flow.finish("r", "4").at("status").as_string(), "failed");
  flow.rewrite("export async function process(inputs, ctx) { return ctx.task(task('a'), {}); }");
  EXPECT_EQ(flow.iterate("r").at("status").as_string(), "failed");
  EXPECT_EQ(flow.drover({"workflow", "recover", "r"}).exit_code, 0);
  EXPECT_EQ(flow.iterate("r").at("status").as_string(), "completed");
  EXPECT_EQ(text(flow.output("r")), "4");
  EXPECT_NE(flow.drover({"workflow", "recover", "r"}).exit_code, 0);
  auto const listed = printed(flow.drover({"workflow", "list"}));
  EXPECT_EQ(listed.at("runs").at(0).at("state").as_string(), "completed");
}

}  // namespace
}  // namespace drover::harness
