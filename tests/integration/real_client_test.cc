// The scripted model's wire format, as a program sees it that was written for the real API.
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>

#include <boost/json.hpp>

#include "harness/mcp_run.h"
#include "harness/model_server.h"
#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

std::string client(std::string const& name) {
  std::string program = std::string{HARNESS_CLIENTS} + "/" + name;
  if (!os::exists(program))
    throw std::runtime_error(program + " is not there; ./dev test installs it");
  return program;
}

Outcome claude(World const& world, std::string const& folder, std::string const& url,
               std::string const& prompt, std::vector<std::string> more) {
  ProgramOptions options;
  options.arguments = {client("claude"), "-p",        prompt,    "--output-format",
                       "stream-json",    "--verbose", "--model", "claude-sonnet-4-5"};
  options.arguments.insert(options.arguments.end(), more.begin(), more.end());
  options.environment = world.environment();
  for (std::string const& setting :
       {"ANTHROPIC_BASE_URL=" + url, std::string{"ANTHROPIC_API_KEY=none"},
        std::string{"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1"}, std::string{"IS_SANDBOX=1"}})
    options.environment.push_back(setting);
  options.folder = folder;
  return run_program(options, Millis{60'000});
}

TEST(RealClient, ClaudeCodeWorksThroughAScriptWithToolsAndAFault) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([
    {"text": "Let me look.", "delta_bytes": 4,
     "tool_calls": [{"name": "Bash", "input": {"command": "cat README.md", "description": "Show"}}]},
    {"faults": [{"kind": "status", "status": 529}],
     "expect": {"tool_results": [{"contains": "a project", "is_error": false}]},
     "thinking": "It is short.", "text": "It says: a project."}])");
  ModelServer const server{world, model};
  auto const outcome = claude(world, repository.path(), server.url(), "what does the README say?",
                              {"--allowedTools", "Bash"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  auto const last = outcome.lines().back();
  EXPECT_EQ(text_of(last, "type"), "result") << outcome.text();
  EXPECT_EQ(text_of(last, "result"), "It says: a project.") << outcome.text();
  EXPECT_EQ(integer_or(last, "num_turns", 0), 2);
}

// A unit's socket is none that this client can name: it connects to loopback.
constexpr std::string_view kBridge =
    "const net = require('net');"
    "const server = net.createServer((client) => {"
    "  const unit = net.connect(process.argv[1]);"
    "  client.on('error', () => unit.destroy()); unit.on('error', () => client.destroy());"
    "  client.pipe(unit).pipe(client); });"
    "server.listen(0, '127.0.0.1', () => console.log(server.address().port));";

// Claude Code speaks MCP to the gateway as to any server, and the gateway to the reference server
// as any client would.
TEST(RealClient, ClaudeCodeCallsAServerOfToolsThroughTheGatewayAndAPersonAllowsACall) {
  World world;
  json::object grant{{"server", "everything"}, {"tools", {"echo", "get-sum"}}};
  grant["approve"] = json::array{"get-sum"};
  json::object const clerk{{"name", "clerk"}, {"mcp", json::array{std::move(grant)}}};
  std::string const state = world.state_folder();
  // Where these tests run as root, the packages may be in a folder that is root's alone.
  std::string const user = ::geteuid() == 0 ? "user = \"root\"\n" : "";
  ASSERT_TRUE(os::make_folders(state + "/agents", 0700));
  ASSERT_TRUE(os::write_file_atomic(state + "/agents/clerk.json", json::serialize(clerk)));
  ASSERT_TRUE(os::write_file_atomic(
      state + "/gateway.toml", "[mcp.everything]\ncommand = [\"node\", \"" +
                                   client("mcp-server-everything") + "\", \"stdio\"]\n" + user));
  world.serve();
  McpRun run{world};
  ProgramOptions bridge_options;
  bridge_options.arguments = {"node", "-e", std::string{kBridge}, run.socket()};
  bridge_options.environment = world.environment();
  Program bridge{bridge_options};
  ASSERT_TRUE(bridge.prints("\n"));
  std::string const port = bridge.printed().substr(0, bridge.printed().find('\n'));
  json::object server{{"type", "http"}, {"url", "http://127.0.0.1:" + port + "/mcp/everything"}};
  server["headers"] = json::object{{"Authorization", "Bearer " + run.token()}};
  std::string const config = world.root() + "/mcp.json";
  ASSERT_TRUE(os::write_file_atomic(
      config, json::serialize(
                  json::object{{"mcpServers", json::object{{"everything", std::move(server)}}}})));
  auto const model = world.model(R"([
    {"tool_calls": [{"name": "mcp__everything__echo", "input": {"message": "hello"}}]},
    {"expect": {"tool_results": [{"contains": "hello", "is_error": false}]},
     "tool_calls": [{"name": "mcp__everything__get-sum", "input": {"a": 19, "b": 23}}]},
    {"expect": {"tool_results": [{"contains": "42", "is_error": false}]}, "text": "It is 42."}])");
  ModelServer const provider{world, model};
  auto const folder = world.folder("elsewhere");
  auto working = std::async(std::launch::async, [&] {
    return claude(world, folder.path(), provider.url(), "what is the sum?",
                  {"--mcp-config", config, "--strict-mcp-config", "--allowedTools",
                   "mcp__everything__echo,mcp__everything__get-sum"});
  });
  auto const approval = run.approval();
  EXPECT_EQ(run.decide(approval, "approve").status, 200);
  auto const outcome = working.get();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text() << world.server_log();
  EXPECT_EQ(text_of(outcome.lines().back(), "result"), "It is 42.") << outcome.text();
  auto const events = run.end();
  EXPECT_EQ(count_of(events, "mcp-call"), 4U);
}

}  // namespace
}  // namespace drover::harness
