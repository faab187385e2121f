// The scripted model's wire format, as a program sees it that was written for the real API.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "harness/model_server.h"
#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

Outcome claude(World const& world, std::string const& folder, std::string const& url,
               std::string const& prompt) {
  std::string const program = std::string{HARNESS_CLIENTS} + "/claude";
  if (!os::exists(program))
    throw std::runtime_error(program + " is not there; ./dev test installs it");
  ProgramOptions options;
  options.arguments = {program,          "-p",        prompt,    "--output-format",
                       "stream-json",    "--verbose", "--model", "claude-sonnet-4-5",
                       "--allowedTools", "Bash"};
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
  auto const outcome = claude(world, repository.path(), server.url(), "what does the README say?");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  auto const last = outcome.lines().back();
  EXPECT_EQ(text_of(last, "type"), "result") << outcome.text();
  EXPECT_EQ(text_of(last, "result"), "It says: a project.") << outcome.text();
  EXPECT_EQ(integer_or(last, "num_turns", 0), 2);
}

}  // namespace
}  // namespace drover::harness
