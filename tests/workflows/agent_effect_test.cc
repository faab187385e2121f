// Agent effects of a workflow that a server drives: real units, scripted models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "workflows/driven.h"

namespace drover::harness {
namespace {

using ::testing::HasSubstr;

class AgentEffects : public DrivenTest {
 protected:
  // What the workflow's agents are: the repository, and a model of these turns.
  json::object agent(std::string const& turns) {
    auto const workspace = flow_.world().api().add_workspace(repository_.path());
    return {
        {"model", json::string{flow_.world().model(turns)}},
        {"subject", "dev"},
        {"workspaces", json::array{json::object{{"id", json::string{workspace}}, {"mode", "rw"}}}}};
  }
  json::array runs() { return flow_.world().api().get("/api/v1/runs").body.at("runs").as_array(); }

  Repository repository_ = flow_.world().repository("project");
};

constexpr auto const* kAsk = R"js(
const ask = (agent) => ({ id: 'ask', build: () => ({ kind: 'agent', title: 'ask', agent }) });
)js";

TEST_F(AgentEffects, AreRunsWhoseReplyAndCommitsAreTheirResult) {
  process(std::string{kAsk} + R"js(export async function process(inputs, ctx) {
    return ctx.task(ask({ prompt: { task: 'write it' } }), {});
  })js");
  flow_.world().serve();
  start("w", {{"agent", agent(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "echo one > one.txt"}}]},
    {"text": "Add one"}])")}});
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  auto const result = output("w");
  EXPECT_EQ(result.at("reply"), "Add one");
  EXPECT_EQ(repository_.read("one.txt"), "one\n");
  EXPECT_EQ(result.at("commits").as_array().size(), 1U);
  auto const run = flow_.world().api().run(std::string{result.at("runId").as_string()});
  EXPECT_EQ(text_of(run, "state"), "succeeded");
}

TEST_F(AgentEffects, AReplyThatDoesNotFitIsCorrectedInTheSameSession) {
  process(std::string{kAsk} + R"js(export async function process(inputs, ctx) {
    const outputSchema = { type: 'object', required: ['score'], properties: { score: { type: 'integer' } } };
    return ctx.task(ask({ prompt: 'score it', outputSchema }), {});
  })js");
  flow_.world().serve();
  start("w", {{"agent", agent(R"([
    {"text": "I think it is good."},
    {"text": "```json\n{\"score\": \"9\"}\n```"},
    {"text": "{\"score\": 9}"}])")}});
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  EXPECT_EQ(json::serialize(output("w")), R"({"score":9})");
  EXPECT_EQ(runs().size(), 3U);
}

TEST_F(AgentEffects, OneThatNeverFitsFailsWithWhatItSaid) {
  process(std::string{kAsk} + R"js(export async function process(inputs, ctx) {
    try { await ctx.task(ask({ prompt: 'score it', corrections: 1, outputSchema: { type: 'object' } }), {}); }
    catch (e) { return [e.name, e.data.reply]; }
  })js");
  flow_.world().serve();
  start("w", {{"agent", agent(R"([{"text": "no"}, {"text": "never"}, {"text": "[1]"}])")}});
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  EXPECT_EQ(json::serialize(output("w")), R"(["AgentOutputError","never"])");
}

TEST_F(AgentEffects, ARunThatFailsIsAnErrorOfTheEffect) {
  process(std::string{kAsk} + R"js(export async function process(inputs, ctx) {
    const said = [];
    try { await ctx.task(ask({ prompt: 'go', limits: { max_turns: 1 } }), {}); } catch (e) { said.push(e.name, e.message); }
    try { await ctx.task(ask({ prompt: 'go', name: 'nobody' }), {}, { label: 'b' }); } catch (e) { said.push(e.name); }
    return said;
  })js");
  flow_.world().serve();
  start("w", {{"agent", agent(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "true"}}]}, {"text": "done"}])")}});
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  EXPECT_EQ(output("w").at(0), "AgentRunError");
  EXPECT_THAT(output("w").at(1).as_string().c_str(), HasSubstr("max_turns"));
  EXPECT_EQ(output("w").at(2), "EffectDefinitionError");
}

TEST_F(AgentEffects, ACancelOfTheWorkflowCancelsItsRuns) {
  process(std::string{kAsk} + R"js(export async function process(inputs, ctx) {
    return ctx.task(ask({ prompt: 'wait' }), {});
  })js");
  flow_.world().serve();
  start("w", {{"agent", agent(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "sleep 600"}}]}, {"text": "done"}])")}});
  ASSERT_TRUE(eventually([&] {
    auto const all = runs();
    return all.size() == 1 && text_of(all.at(0).as_object(), "state") == "running";
  }));
  EXPECT_EQ(post("w/cancel", {}), 200);
  EXPECT_TRUE(
      eventually([&] { return text_of(runs().at(0).as_object(), "state") == "cancelled"; }));
  EXPECT_EQ(get("w").at("state"), "cancelled");
}

TEST_F(AgentEffects, AServerThatIsKilledDispatchesEachOnce) {
  process(std::string{kAsk} + R"js(export async function process(inputs, ctx) {
    const replies = [];
    for (let i = 0; i < 4; ++i) replies.push((await ctx.task(ask({ prompt: { task: `step ${i}`, context: { b: 1, a: 2 } } }), { i })).reply);
    return replies;
  })js");
  flow_.world().serve();
  start("w", {{"agent", agent(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "echo x >> seen.txt"}}]}, {"text": "done"}])")}});
  for (int kill = 0; kill < 4; ++kill) {
    // Not a wait for anything: the moment is what the test varies.
    std::this_thread::sleep_for(Millis{150 + 130 * kill});
    flow_.world().kill_server();
    flow_.world().serve();
  }
  ASSERT_TRUE(comes_to("w", "completed")) << flow_.world().server_log();
  EXPECT_EQ(json::serialize(output("w")), R"(["done","done","done","done"])");
  EXPECT_EQ(runs().size(), 4U);
}

}  // namespace
}  // namespace drover::harness
