// Effects that drover carries out by itself: shell and node, in sandboxes, without a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "os/files.h"
#include "workflows/flow.h"

namespace drover::harness {
namespace {

using ::testing::HasSubstr;

constexpr auto const* kTasks = R"(
const sh = (command, more = {}) => ({ id: 'sh', build: () => ({ kind: 'shell', title: command, shell: { command }, ...more }) });
const node = (entry, more = {}) => ({ id: 'node', build: () => ({ kind: 'node', title: entry, node: { entry, ...more } }) });
)";

class Commands : public ::testing::Test {
 protected:
  // A run `r` of this process, whose working folder is root().
  void create(std::string const& process) {
    flow_.rewrite(kTasks + process);
    flow_.create("r");
  }
  Outcome run(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"workflow", "run", "r"});
    return flow_.drover(std::move(more));
  }
  json::value output_of(std::string const& process) {
    create(process);
    auto const ran = run();
    EXPECT_EQ(ran.exit_code, 0) << ran.text();
    return flow_.output("r");
  }
  void write(std::string const& name, std::string const& text) const {
    ASSERT_TRUE(os::write_file_atomic(flow_.root() + "/" + name, text));
  }
  std::string ran() const { return os::read_file(flow_.root() + "/ran").value_or(""); }
  long begun() const { return std::ranges::count(flow_.journal_types("r"), "DROVER_EFFECT_BEGUN"); }

  Flow flow_{""};
};

TEST_F(Commands, AShellsExitAndOutputAreItsResult) {
  auto const output = output_of(R"js(export async function process(inputs, ctx) {
    return ctx.parallel.map(['echo hi; echo no >&2', 'exit 3', 'printf "%s|" "$@"'],
      (command, i) => ctx.task(sh(command, i < 2 ? {} : { shell: { command, args: ['a b', '*'] } }), { i }));
  })js");
  EXPECT_EQ(json::serialize(output.at(0)),
            R"({"exitCode":0,"stderr":"no\n","stdout":"hi\n","success":true})");
  EXPECT_EQ(output.at(1).at("success"), false);
  EXPECT_EQ(output.at(1).at("exitCode"), 3);
  EXPECT_EQ(output.at(2).at("stdout"), "a b|*|");
  auto const tasks = printed(flow_.drover({"task:list", "r"}));
  EXPECT_THAT(json::serialize(tasks), HasSubstr("stdout.log"));
}

TEST_F(Commands, ANodeReadsItsInputsAndLeavesItsResult) {
  write("double.mjs", R"(import { readFileSync, writeFileSync } from 'node:fs';
    const { n } = JSON.parse(readFileSync(process.env.BABYSITTER_INPUT_JSON, 'utf8'));
    console.log('noise');
    writeFileSync(process.env.BABYSITTER_OUTPUT_JSON, JSON.stringify({ n: 2 * n, args: process.argv.slice(2) }));)");
  write("fails.mjs", "throw new Error('no luck');");
  auto const output = output_of(R"js(export async function process(inputs, ctx) {
    const doubled = await ctx.task(node('double.mjs', { args: ['x'] }), { n: 21 });
    try { await ctx.task(node('fails.mjs'), { again: 1 }); } catch (e) { return { doubled, error: e.message, code: e.data.exitCode }; }
  })js");
  EXPECT_EQ(
      json::serialize(output),
      R"({"doubled":{"args":["x"],"n":42},"error":"Node program exited with code 1","code":1})");
}

TEST_F(Commands, ASandboxHoldsWhatItIsToHold) {
  flow_.world().set_variable("SECRET_OF_THE_USER", "hush");
  auto const output = output_of(R"js(export async function process(inputs, ctx) {
    const said = {};
    const look = { network: 'node -e "fetch(\'http://1.1.1.1\').then(() => {}, (e) => { throw e })"',
      journal: 'rm -rf runs/r/journal', processes: 'ls -d /proc/[0-9]* | wc -l', environment: 'env',
      write: 'echo done > written' };
    for (const [name, command] of Object.entries(look)) said[name] = await ctx.task(sh(command), { name });
    said.readOnly = await ctx.task(sh('echo x > other', { sandbox: { folder: 'ro' } }), { name: 'ro' });
    said.nothing = await ctx.task(sh('ls', { sandbox: { folder: 'none' } }), { name: 'none' });
    return said;
  })js");
  EXPECT_EQ(output.at("network").at("success"), false);
  EXPECT_EQ(output.at("journal").at("success"), false);
  EXPECT_EQ(output.at("write").at("success"), true);
  EXPECT_TRUE(os::exists(flow_.root() + "/written"));
  EXPECT_EQ(output.at("readOnly").at("success"), false);
  EXPECT_FALSE(os::exists(flow_.root() + "/other"));
  EXPECT_EQ(output.at("nothing").at("stdout"), "");
  EXPECT_THAT(output.at("environment").at("stdout").as_string().c_str(),
              ::testing::Not(HasSubstr("hush")));
}

TEST_F(Commands, ACommandThatTakesTooLongIsKilled) {
  auto const output = output_of(R"js(export async function process(inputs, ctx) {
    return ctx.task(sh('echo begun; sleep 600 & wait', { timeoutMs: 300 }), {});
  })js");
  EXPECT_EQ(output.at("timedOut"), true);
  EXPECT_EQ(output.at("success"), false);
  EXPECT_EQ(output.at("stdout"), "begun\n");
}

TEST_F(Commands, WhatLosesARaceIsKilled) {
  auto const output = output_of(R"js(export async function process(inputs, ctx) {
    return ctx.parallel.race([() => ctx.task(sh('sleep 600'), { n: 1 }), () => ctx.task(sh('echo fast'), { n: 2 })]);
  })js");
  EXPECT_EQ(output.at("stdout"), "fast\n");
}

TEST_F(Commands, WhatItCannotUnderstandIsAnErrorOfTheEffect) {
  auto const output = output_of(R"js(export async function process(inputs, ctx) {
    try { await ctx.task(sh('true', { sandbox: { network: true } }), {}); } catch (e) { return [e.name, e.message]; }
  })js");
  EXPECT_EQ(output.at(0), "EffectDefinitionError");
  EXPECT_THAT(output.at(1).as_string().c_str(), HasSubstr("/sandbox/network"));
}

TEST_F(Commands, AreLeftToOthersWhereThatIsAsked) {
  create("export async function process(inputs, ctx) { return ctx.task(sh('touch ran'), {}); }");
  auto const running = flow_.start({"workflow", "run", "r", "--outside"});
  ASSERT_TRUE(eventually([&] {
    auto const tasks = printed(flow_.drover({"workflow", "tasks", "r", "--pending"}));
    return !tasks.at("tasks").as_array().empty();
  }));
  auto const tasks = printed(flow_.drover({"workflow", "tasks", "r", "--pending"}));
  std::string const id{tasks.at("tasks").at(0).at("effectId").as_string()};
  EXPECT_EQ(flow_.drover({"workflow", "post", "r", id, "--value", "1"}).exit_code, 0);
  auto const ended = running->finish();
  EXPECT_EQ(ended.exit_code, 0) << ended.text();
  EXPECT_EQ(flow_.output("r"), 1);
  EXPECT_FALSE(os::exists(flow_.root() + "/ran"));
}

constexpr auto const* kSlow = R"js(export async function process(inputs, ctx) {
    const more = inputs.idempotent ? { idempotent: true } : {};
    try { return await ctx.task(sh('echo x >> ran; while [ ! -e go ]; do sleep 0.05; done', more), {}); }
    catch (e) { return e.name; }
  })js";

TEST_F(Commands, WhatHadBegunWhenTheDriverDiedIsNotRunTwice) {
  create(kSlow);
  auto running = flow_.start({"workflow", "run", "r"});
  ASSERT_TRUE(eventually([&] { return ran() == "x\n"; }));
  running->signal(SIGKILL);
  (void)running->finish();
  auto const again = run();
  EXPECT_EQ(again.exit_code, 0) << again.text();
  EXPECT_EQ(flow_.output("r"), "EffectLostError");
  EXPECT_EQ(ran(), "x\n");
  EXPECT_EQ(begun(), 1);
}

TEST_F(Commands, AnIdempotentOneIsBegunAgainAndMarkedSo) {
  flow_.rewrite(std::string{kTasks} + kSlow);
  flow_.create("r", R"({"idempotent":true})");
  auto running = flow_.start({"workflow", "run", "r"});
  ASSERT_TRUE(eventually([&] { return ran() == "x\n"; }));
  running->signal(SIGKILL);
  (void)running->finish();
  write("go", "");
  auto const again = run();
  EXPECT_EQ(again.exit_code, 0) << again.text();
  EXPECT_EQ(flow_.output("r").at("success"), true);
  EXPECT_EQ(ran(), "x\nx\n");
  EXPECT_EQ(begun(), 2);
}

TEST_F(Commands, ADriverThatIsStoppedKillsWhatItRunsAndAnotherCannotJoinIt) {
  create(kSlow);
  auto running = flow_.start({"workflow", "run", "r"});
  ASSERT_TRUE(eventually([&] { return ran() == "x\n"; }));
  auto const second = run();
  EXPECT_NE(second.exit_code, 0);
  EXPECT_THAT(second.text(), HasSubstr("another process drives the run"));
  running->signal(SIGTERM);
  auto const stopped = running->finish();
  EXPECT_EQ(stopped.exit_code, 4) << stopped.text();
  EXPECT_TRUE(flow_.world().leftovers().empty());
}

}  // namespace
}  // namespace drover::harness
