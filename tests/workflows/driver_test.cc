// Workflows that a server drives by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "os/files.h"
#include "workflows/driven.h"

namespace drover::harness {
namespace {

using ::testing::HasSubstr;

constexpr auto const* kTasks = R"(
const sh = (command, more = {}) => ({ id: 'sh', build: () => ({ kind: 'shell', title: command, shell: { command }, ...more }) });
)";

class Driven : public DrivenTest {
 protected:
  void process(std::string const& source) { DrivenTest::process(kTasks + source); }
};

TEST_F(Driven, AWorkflowOfCommandsAndTimersEndsByItself) {
  process(R"js(export async function process(inputs, ctx) {
    const first = await ctx.task(sh('echo one > made; cat made'), {});
    await ctx.sleep(200);
    const second = await ctx.task(sh('cat made; echo two'), { inputs });
    return [first.stdout, second.stdout, inputs.n];
  })js");
  flow_.world().serve();
  start("w", json::object{{"inputs", json::object{{"n", 7}}}});
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  EXPECT_EQ(json::serialize(output("w")), R"(["one\n","one\ntwo\n",7])");
  EXPECT_EQ(os::read_file(flow_.root() + "/made").value_or(""), "one\n");
  flow_.world().stop_server();
  EXPECT_TRUE(flow_.world().leftovers().empty());
}

TEST_F(Driven, SignalsResultsAndCancelsWakeIt) {
  process(R"js(export async function process(inputs, ctx) {
    let seen = 'nothing';
    ctx.query('seen', () => seen);
    seen = await ctx.signal('go');
    const posted = await ctx.task({ id: 'o', build: () => ({ kind: 'orchestrator_task' }) }, {});
    let cancelled;
    try { await ctx.task({ id: 'p', build: () => ({ kind: 'orchestrator_task' }) }, {}); } catch (e) { cancelled = e.name; }
    return { seen, posted, cancelled };
  })js");
  flow_.world().serve();
  start("w");
  (void)waits("w");
  EXPECT_EQ(post("w/signals", json::object{{"name", "go"}, {"payload", "now"}}), 200);
  ASSERT_TRUE(eventually([&] { return get("w").at("entries").to_number<int>() > 4; }, kPatience));
  auto const answer =
      flow_.world().api().post("/api/v1/workflows/w/queries", json::object{{"name", "seen"}});
  EXPECT_EQ(json::serialize(answer.body), R"({"answer":"now"})") << answer.text;
  auto const asked = waits("w");
  EXPECT_EQ(post("w/tasks/" + asked + "/result", json::object{{"value", 5}}), 200);
  EXPECT_EQ(post("w/tasks/" + asked + "/result", json::object{{"value", 6}}), 409);
  ASSERT_TRUE(eventually([&] { return waits("w") != asked; }, kPatience));
  EXPECT_EQ(post("w/tasks/" + waits("w") + "/cancel", json::object{{"reason", "enough"}}), 200);
  ASSERT_TRUE(comes_to("w", "completed"));
  EXPECT_EQ(json::serialize(output("w")),
            R"({"seen":"now","posted":5,"cancelled":"EffectCancelledError"})");
  EXPECT_EQ(post("w/signals", json::object{{"name", "go"}}), 409);
}

TEST_F(Driven, WhatOthersWriteToTheDirectoryIsSeen) {
  process(R"js(export async function process(inputs, ctx) {
    return ctx.task({ id: 'o', build: () => ({ kind: 'orchestrator_task' }) }, {});
  })js");
  flow_.create("w");
  flow_.world().serve();
  auto const adopted = flow_.world().api().post(
      "/api/v1/workflows", json::object{{"folder", json::string{flow_.run_folder("w")}}});
  ASSERT_EQ(adopted.status, 201) << adopted.text;
  flow_.post("w", waits("w"), "\"from outside\"");
  ASSERT_TRUE(comes_to("w", "completed"));
  EXPECT_EQ(output("w"), "from outside");
}

TEST_F(Driven, ACancelEndsItWithAllThatItHasUnderWay) {
  process(R"js(export async function process(inputs, ctx) {
    return ctx.task(sh('echo x >> ran; sleep 600'), {});
  })js");
  flow_.world().serve();
  start("w");
  ASSERT_TRUE(eventually([&] { return os::exists(flow_.root() + "/ran"); }, kPatience));
  EXPECT_EQ(post("w/cancel", json::object{{"reason", "no more"}}), 200);
  auto const ended = get("w");
  EXPECT_EQ(ended.at("state"), "cancelled");
  EXPECT_EQ(ended.at("reason"), "no more");
  EXPECT_TRUE(ended.at("pending").as_object().empty());
  EXPECT_TRUE(eventually([&] { return flow_.world().cgroups().empty(); }));
  flow_.world().stop_server();
  EXPECT_TRUE(flow_.world().leftovers().empty());
}

TEST_F(Driven, WhatCannotGoOnSaysWhyAndGoesOnOnceItCan) {
  process(R"js(export async function process(inputs, ctx) {
    return [await ctx.signal('go'), await ctx.signal('on')];
  })js");
  flow_.world().serve();
  start("w");
  (void)waits("w");
  flow_.world().stop_server();
  process("export const nothing = 1;");
  flow_.world().serve();
  EXPECT_EQ(post("w/signals", json::object{{"name", "go"}, {"payload", 3}}), 200);
  ASSERT_TRUE(comes_to("w", "blocked"));
  EXPECT_THAT(get("w").at("reason").as_string().c_str(), HasSubstr("exports no function"));
  process(R"js(export async function process(inputs, ctx) {
    return [await ctx.signal('go'), await ctx.signal('on')];
  })js");
  EXPECT_EQ(post("w/signals", json::object{{"name", "on"}, {"payload", 4}}), 200);
  ASSERT_TRUE(comes_to("w", "completed"));
  EXPECT_EQ(json::serialize(output("w")), "[3,4]");
}

// The next server knows from the directory what it waits for: a process that cannot even be loaded
// is missed only when there is something for it.
TEST_F(Driven, ARunThatRestsIsTakenUpWithoutItsProcess) {
  std::string const parent = R"js(export async function process(inputs, ctx) {
    return ctx.child('child.yaml', {});
  })js";
  process(parent);
  std::ofstream{std::filesystem::path{flow_.entry()}.replace_filename("child.yaml")}
      << "name: child\nsteps:\n  - {id: s, signal: go}\n"
         "output: ${steps.s}\n";
  flow_.world().serve();
  start("w");
  std::string child;
  ASSERT_TRUE(eventually(
      [&] {
        auto const list = flow_.world().api().get("/api/v1/workflows?state=running").body;
        for (auto const& one : list.at("workflows").as_array())
          if (one.at("id") != "w") child = one.at("id").as_string();
        return !child.empty();
      },
      kPatience));
  (void)waits(child);
  (void)waits("w");
  flow_.world().stop_server();
  process("export const nothing = 1;");
  flow_.world().serve();
  EXPECT_EQ(post(child + "/signals", json::object{{"name", "go"}, {"payload", "done"}}), 200);
  // What the child came to is the parent's, though nobody could ask the parent to wait for it.
  ASSERT_TRUE(eventually(
      [&] { return get("w/tasks").at("tasks").at(0).at("status") == "resolved_ok"; }, kPatience))
      << flow_.world().server_log();
  ASSERT_TRUE(comes_to("w", "blocked"));
  process(parent);
  ASSERT_TRUE(comes_to("w", "completed"));
  EXPECT_EQ(output("w"), "done");
}

TEST_F(Driven, MoreRunsThanProcessesThatAreKept) {
  process(R"js(export async function process(inputs, ctx) {
    const before = await ctx.task(sh('echo ' + inputs.n), { n: inputs.n });
    const signal = await ctx.signal('go');
    return [before.stdout.trim(), signal];
  })js");
  flow_.world().serve();
  constexpr int kRuns = 40;
  for (int i = 0; i < kRuns; ++i)
    start("w" + std::to_string(i), json::object{{"inputs", json::object{{"n", i}}}});
  for (int i = 0; i < kRuns; ++i)
    ASSERT_TRUE(eventually(
        [&] {
          auto const pending = get("w" + std::to_string(i)).at("pending").as_object();
          return pending.contains("signal");
        },
        Millis{60'000}))
        << i << flow_.world().server_log();
  for (int i = 0; i < kRuns; ++i)
    EXPECT_EQ(
        post("w" + std::to_string(i) + "/signals", json::object{{"name", "go"}, {"payload", i}}),
        200);
  for (int i = 0; i < kRuns; ++i) {
    auto const id = "w" + std::to_string(i);
    ASSERT_TRUE(comes_to(id, "completed"));
    EXPECT_EQ(json::serialize(output(id)),
              "[\"" + std::to_string(i) + "\"," + std::to_string(i) + "]");
  }
}

TEST_F(Driven, AStateFolderThatWasMovedHasItsWorkflowsStill) {
  process("export async function process(inputs, ctx) { return ctx.signal('go'); }");
  flow_.world().serve();
  start("w");
  (void)waits("w");
  flow_.world().stop_server();
  auto const moved = flow_.root() + "/moved";
  std::filesystem::rename(flow_.world().state_folder(), moved);
  ProgramOptions options;
  options.environment = flow_.world().environment();
  std::erase_if(options.environment,
                [](std::string const& each) { return each.starts_with("DROVER_STATE_DIR="); });
  options.environment.push_back("DROVER_STATE_DIR=" + moved);
  options.folder = flow_.root();
  auto const workflow = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {World::drover_program(), "workflow"});
    ProgramOptions command = options;
    command.arguments = std::move(words);
    return run_program(command);
  };
  options.arguments = {World::drover_program(), "serve"};
  Program server{options};
  EXPECT_TRUE(eventually([&] { return workflow({"list"}).out.contains(moved + "/workflows/w"); },
                         kPatience));
  EXPECT_EQ(workflow({"signal", "w", "go", "--value", "1"}).exit_code, 0);
  EXPECT_TRUE(
      eventually([&] { return workflow({"status", "w"}).out.contains("completed"); }, kPatience));
  server.signal(SIGTERM);
  EXPECT_EQ(server.finish().exit_code, 0);
}

TEST_F(Driven, AProcessSeesNothingOfTheServersEnvironment) {
  process(R"js(export async function process(inputs, ctx) {
    return [Object.keys(globalThis.process.env).includes('SOME_API_KEY'), 'PATH' in globalThis.process.env];
  })js");
  flow_.world().set_variable("SOME_API_KEY", "hush");
  flow_.world().serve();
  start("w");
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  EXPECT_EQ(json::serialize(output("w")), "[false,true]");
}

TEST_F(Driven, AChildIsAWorkflowOfItsOwnWhoseEndItsParentGets) {
  process(R"js(export async function process(inputs, ctx) {
    if (inputs.depth === 0) { if (inputs.fail) throw new Error('no'); return (await ctx.task(sh('pwd'), {})).stdout.trim(); }
    const deeper = await ctx.child('flow.mjs', { depth: inputs.depth - 1 }, { key: 'good' });
    let failed;
    try { await ctx.child('./flow.mjs', { depth: 0, fail: true }, { key: 'bad' }); } catch (e) { failed = e.name; }
    return [deeper, failed];
  })js");
  flow_.world().serve();
  start("w", json::object{{"inputs", json::object{{"depth", 2}}}});
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  EXPECT_EQ(json::serialize(output("w")),
            R"([[")" + flow_.root() + R"(","ChildWorkflowError"],"ChildWorkflowError"])");
  auto const all = flow_.world().api().get("/api/v1/workflows?state=completed").body;
  EXPECT_EQ(all.at("workflows").as_array().size(), 3U);
}

TEST_F(Driven, ACancelOfTheParentEndsItsChildren) {
  process(R"js(export async function process(inputs, ctx) {
    if (inputs.child) return ctx.signal('never');
    return ctx.child('flow.mjs', { child: true });
  })js");
  flow_.world().serve();
  start("w", json::object{{"inputs", json::object{}}});
  auto const running = [&] {
    return flow_.world()
        .api()
        .get("/api/v1/workflows?state=running")
        .body.at("workflows")
        .as_array();
  };
  ASSERT_TRUE(eventually([&] { return running().size() == 2; }, kPatience));
  EXPECT_EQ(post("w/cancel", {}), 200);
  EXPECT_TRUE(eventually([&] { return running().empty(); }, kPatience));
}

// SIGKILL at moments that the clock picks: whatever it hits, the workflow comes to its end, each
// effect ends once, and a command that is not idempotent runs at the most once.
TEST_F(Driven, AServerThatIsKilledLosesNothing) {
  process(R"js(export async function process(inputs, ctx) {
    const steps = [];
    for (let i = 0; i < 12; ++i) {
      const step = i % 2 ? sh(`echo ${i} >> idempotent`, { idempotent: true }) : sh(`echo ${i} >> once`);
      try { steps.push((await ctx.task(step, { i })).success); } catch (e) { steps.push(e.name); }
      if (i === 5) await ctx.sleep(100);
    }
    return steps;
  })js");
  flow_.world().serve();
  start("w");
  for (int kill = 0; kill < 6; ++kill) {
    // Not a wait for anything: the moment is what the test varies.
    std::this_thread::sleep_for(Millis{60 + 70 * kill});
    flow_.world().kill_server();
    flow_.world().serve();
  }
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  std::map<std::string, int> ends;
  for (auto const& event : get("w/events?limit=200").at("events").as_array())
    if (event.at("type").as_string() == "EFFECT_RESOLVED")
      ++ends[std::string{event.at("data").at("effectId").as_string()}];
  for (auto const& [effect, times] : ends)
    EXPECT_EQ(times, 1) << effect;
  auto const once = os::read_file(flow_.root() + "/once").value_or("");
  for (int i = 0; i < 12; i += 2) {
    std::string const line = std::to_string(i) + "\n";
    auto const first = ("\n" + once).find("\n" + line);
    if (first != std::string::npos)
      EXPECT_EQ(("\n" + once).find("\n" + line, first + 1), std::string::npos) << once;
  }
  auto const steps = output("w").as_array();
  EXPECT_EQ(steps.size(), 12U);
  for (std::size_t i = 1; i < steps.size(); i += 2)
    EXPECT_EQ(steps[i], true) << i;
}

TEST_F(Driven, TheSameKeyIsTheSameWorkflow) {
  process("export async function process(inputs, ctx) { return ctx.signal('go'); }");
  flow_.world().serve();
  auto const post_with = [&](std::string const& key, int n) {
    json::object const body{{"entry", flow_.entry()}, {"inputs", json::object{{"n", n}}}};
    return flow_.world().api().post("/api/v1/workflows", body, {{"idempotency-key", key}});
  };
  auto const first = post_with("schedule:nightly:1", 1);
  EXPECT_EQ(first.status, 201) << first.text;
  auto const again = post_with("schedule:nightly:1", 1);
  EXPECT_EQ(again.status, 200) << again.text;
  EXPECT_EQ(again.body.at("id"), first.body.at("id"));
  EXPECT_EQ(post_with("schedule:nightly:1", 2).status, 409);
  auto const next = post_with("schedule:nightly:2", 1);
  EXPECT_EQ(next.status, 201);
  EXPECT_NE(next.body.at("id"), first.body.at("id"));
}

TEST_F(Driven, ARunThatIsRewoundByHandGoesOnFromThere) {
  process(R"js(export async function process(inputs, ctx) {
    await ctx.task(sh('echo once >> ran'), {}, { label: 'work' });
    return ctx.signal('go');
  })js");
  flow_.world().serve();
  start("w");
  auto const ran = [&] { return os::read_file(flow_.root() + "/ran").value_or(""); };
  auto const waits_for_the_signal = [&] {
    auto const tasks = get("w/tasks?pending=true&kind=signal").at("tasks").as_array();
    return tasks.size() == 1;
  };
  for (std::string expected = "once\n"; expected.size() < 20; expected += "once\n") {
    ASSERT_TRUE(eventually([&] { return ran() == expected && waits_for_the_signal(); }, kPatience))
        << ran() << flow_.world().server_log();
    if (expected.size() > 14) break;
    auto const rewound = flow_.drover({"workflow", "rewind", "w", "--to", "work"});
    ASSERT_EQ(rewound.exit_code, 0) << rewound.text();
  }
  EXPECT_EQ(post("w/signals", {{"name", "go"}, {"payload", 7}}), 200);
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  EXPECT_EQ(output("w"), 7);
}

TEST_F(Driven, ARunThatIsRewoundAfterItsEndIsTakenUpAgain) {
  process(R"js(export async function process(inputs, ctx) {
    await ctx.task(sh('echo once >> ran'), {}, { label: 'work' });
    return 'done';
  })js");
  flow_.world().serve();
  start("w");
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  auto const rewound = flow_.drover({"workflow", "rewind", "w", "--to", "work", "--json"});
  ASSERT_EQ(rewound.exit_code, 0) << rewound.text();
  EXPECT_THAT(rewound.out, HasSubstr("\"driven\": true"));
  auto const ran = [&] { return os::read_file(flow_.root() + "/ran").value_or(""); };
  ASSERT_TRUE(eventually([&] { return ran() == "once\nonce\n"; }, kPatience)) << ran();
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  EXPECT_EQ(output("w"), "done");
}

TEST_F(Driven, AProcessThatComputesDoesNotKeepTheServerFromItsEnd) {
  process("export async function process() { for (;;); }");
  flow_.world().serve();
  start("w");
  ASSERT_TRUE(eventually([&] {
    auto const all = processes_below(flow_.world().server_pid());
    return std::ranges::any_of(
        all, [](ProcessLine const& line) { return line.command.contains("--eval"); });
  }));
  auto const begin = uptime();
  flow_.world().stop_server();
  // A step has 60 s.
  EXPECT_LT(uptime() - begin, Millis{20'000});
}

}  // namespace
}  // namespace drover::harness
