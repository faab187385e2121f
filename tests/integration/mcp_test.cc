// MCP servers outside: what of them an agent has, and what a person has to allow.
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json.hpp>

#include "harness/mcp_run.h"

namespace drover::harness {
namespace {

TEST(Mcp, AnAgentCallsToolsWhoseCredentialsStayOutside) {
  World world;
  ToolServer tools;
  write_clerk(world, tools, {{"tools", {"read", "write"}}});
  auto const repository = world.repository("project");
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "mcp__tickets__read", "input": {"text": "one"}},
                    {"name": "Bash", "input": {"command": "env | grep -c sk-of > keys; true"}}]},
    {"expect": {"tool_results": [{"contains": "did read one with ***", "is_error": false}]},
     "tool_calls": [{"name": "mcp__tickets__remove", "input": {"text": "two"}}]},
    {"expect": {"tool_results": [{"contains": "There is no tool", "is_error": true}]},
     "text": "read"}])");
  world.serve();
  auto const outcome = world.drover(
      {"run", "--json", "-w", repository.path(), "--agent", "clerk", "--model", model, "read it"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text() << world.server_log();
  EXPECT_EQ(tools.made(), "one\n");
  EXPECT_EQ(repository.read("keys"), "0\n");
  std::vector<std::string> outcomes;
  for (auto const& line : outcome.lines())
    if (text_of(line, "type") == "mcp-call") outcomes.push_back(text_of(line, "outcome"));
  EXPECT_EQ(outcomes, (std::vector<std::string>{"sent", "answered"}));
  auto const shown = world.drover({"gateway"});
  EXPECT_TRUE(shown.text().contains("tickets")) << shown.text();
  for (std::string const& text : {outcome.text(), shown.text(), world.server_log()})
    EXPECT_FALSE(text.contains("sk-of-the-tickets")) << "the credential is nobody's to see";
}

TEST(Mcp, AProgramInsideHasTheToolsOfItsAgentAndNoOthers) {
  World world;
  ToolServer tools;
  write_clerk(world, tools, {{"tools", {"read"}}});
  world.serve();
  McpRun run{world};
  auto const listed =
      run.send({{"jsonrpc", "2.0"}, {"id", 1}, {"method", "tools/list"}}).at("result").as_object();
  ASSERT_EQ(listed.at("tools").as_array().size(), 1U);
  EXPECT_EQ(said(run.call("read", "x")), "did read x with ***");
  EXPECT_TRUE(said(run.call("remove", "y")).starts_with("error "));
  EXPECT_EQ(run.post("/mcp/other", R"({"jsonrpc":"2.0","id":1,"method":"ping"})").status, 403);
  EXPECT_EQ(run.post("/mcp/tickets", R"({"jsonrpc":"2.0","method":"notifications/x"})").status,
            202);
  EXPECT_TRUE(run.post("/mcp/tickets", std::string(5 << 20, 'x')).body.contains("error"));
  auto const events = run.end();
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded");
  EXPECT_EQ(text_of(last_of(events, "mcp-call"), "outcome"), "refused");
  EXPECT_EQ(tools.made(), "x\n");
}

TEST(Mcp, ACallThatAPersonAllowsIsMadeAndOneThatTheyRejectIsNot) {
  World world;
  ToolServer tools;
  write_clerk(world, tools, {{"approve", {"write"}}});
  auto const repository = world.repository("project");
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "mcp__tickets__write", "input": {"text": "one"}}]},
    {"expect": {"tool_results": [{"contains": "did write one", "is_error": false}]},
     "tool_calls": [{"name": "mcp__tickets__write", "input": {"text": "two"}}]},
    {"expect": {"tool_results": [{"contains": "rejected this call: not now", "is_error": true}]},
     "text": "So be it."}])");
  world.serve();
  Api api = world.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "write");
  invocation["agent"] = "clerk";
  // A person may take longer than a unit may be silent.
  invocation["limits"] = json::object{{"step_s", 1}};
  auto const run = api.dispatch(invocation);
  ASSERT_TRUE(api.await_event(run, "approval-requested"));
  auto const pending = api.get("/api/v1/approvals?state=pending").body.at("approvals").at(0);
  std::string const first{pending.at("id").as_string()};
  EXPECT_EQ(pending.at("kind").as_string(), "tool");
  EXPECT_EQ(pending.at("subject").at("arguments").at("text").as_string(), "one");
  EXPECT_EQ(tools.made(), "") << "it waits";
  EXPECT_EQ(world.drover({"approvals", "approve", first}).exit_code, 0);
  ASSERT_TRUE(api.await_event(run, "approval-requested", 2));
  auto const second = api.get("/api/v1/approvals?state=pending").body.at("approvals").at(0);
  EXPECT_EQ(world
                .drover({"approvals", "reject", std::string{second.at("id").as_string()},
                         "--comment", "not now"})
                .exit_code,
            0);
  auto const events = api.events(run);
  EXPECT_EQ(text_of(events.back().data, "reply"), "So be it.")
      << json::serialize(events.back().data);
  EXPECT_EQ(tools.made(), "one\n");
  EXPECT_EQ(count_of(events, "approval-resolved"), 2U);
  EXPECT_EQ(fault_of(events, run.run), "");
}

// The credential is the server's, and so is the person: a worker elsewhere passes both ways.
TEST(Mcp, AUnitOfAWorkerElsewhereHasItsToolsFromTheServer) {
  World world;
  ToolServer tools;
  write_clerk(world, tools, {{"approve", {"write"}}});
  auto const repository = world.repository("project");
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "mcp__tickets__read", "input": {"text": "one"}}]},
    {"expect": {"tool_results": [{"contains": "did read one with ***", "is_error": false}]},
     "tool_calls": [{"name": "mcp__tickets__write", "input": {"text": "two"}}]},
    {"expect": {"tool_results": [{"contains": "did write two", "is_error": false}]},
     "text": "Done."}])");
  world.serve({"--no-worker"});
  auto const worker = world.start_drover({"worker"});
  Api api = world.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "go");
  invocation["agent"] = "clerk";
  invocation["limits"] = json::object{{"step_s", 2}};
  auto const run = api.dispatch(invocation);
  ASSERT_TRUE(api.await_event(run, "approval-requested"));
  auto const pending = api.get("/api/v1/approvals?state=pending").body.at("approvals").at(0);
  EXPECT_EQ(tools.made(), "one\n");
  EXPECT_EQ(
      world.drover({"approvals", "approve", std::string{pending.at("id").as_string()}}).exit_code,
      0);
  auto const events = api.events(run);
  EXPECT_EQ(text_of(events.back().data, "reply"), "Done.") << json::serialize(events.back().data);
  EXPECT_EQ(tools.made(), "one\ntwo\n");
  worker->signal(SIGTERM);
  EXPECT_EQ(worker->finish().exit_code, 0);
}

TEST(Mcp, AReloadChangesTheServersAndAProgramThatIsNotThereChangesNothing) {
  World world;
  ToolServer tools;
  write_clerk(world, tools, {});
  world.serve();
  McpRun run{world};
  EXPECT_EQ(said(run.call("read", "x")), "did read x with ***");
  std::string const file = world.state_folder() + "/gateway.toml";
  ASSERT_TRUE(os::write_file_atomic(file, "[mcp.tickets]\ncommand = [\"/no/such/program\"]\n"));
  auto const refused = world.drover({"gateway", "reload"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_TRUE(refused.text().contains("/no/such/program")) << refused.text();
  EXPECT_EQ(said(run.call("read", "y")), "did read y with ***");
  ASSERT_TRUE(os::write_file_atomic(file, tools.config("tools = [\"write\"]\n")));
  EXPECT_EQ(world.drover({"gateway", "reload"}).exit_code, 0);
  EXPECT_TRUE(said(run.call("read", "z")).starts_with("error ")) << "it holds for what runs";
  EXPECT_EQ(tools.made(), "x\ny\n");
  (void)run.end();
}

TEST(Mcp, AnAgentThatAsksForWhatTheGatewayHasNotTakesNoWork) {
  World world;
  ToolServer tools;
  write_clerk(world, tools, {{"tools", {"read"}}, {"approve", {"wirte"}}});
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()),
                                      world.model(R"([{"text": "hello"}])"), "go");
  invocation["agent"] = "clerk";
  auto const typo = api.post("/api/v1/runs", invocation);
  EXPECT_EQ(typo.status, 400);
  EXPECT_TRUE(typo.error_text().contains("wirte")) << "a gate that gates nothing is a slip";
  ASSERT_TRUE(os::write_file_atomic(world.state_folder() + "/gateway.toml", ""));
  ASSERT_EQ(world.drover({"gateway", "reload"}).exit_code, 0);
  EXPECT_EQ(api.post("/api/v1/runs", invocation).status, 400) << "there is no such server now";
}

}  // namespace
}  // namespace drover::harness
