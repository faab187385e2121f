// Agents: what a run has of the definition that it names.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

// The model, the words, the environment and the tools are the agent's, over a restart.
TEST(Agents, ARunIsAsItsAgentSays) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(
      R"([{"expect": {"system_contains": ["You are the night watch."]},
           "tool_calls": [{"name": "Bash", "input": {"command": "echo $TEAM-$HOME > team.txt"}}]},
          {"text": "Watched."}])");
  world.serve();
  std::string const file = world.root() + "/watch.toml";
  ASSERT_TRUE(os::write_file_atomic(
      file, "name = \"watch\"\nprompt = \"You are the night watch.\"\nmodel = \"" + model +
                "\"\n[env]\nTEAM = \"blue\"\nHOME = \"/root\"\n"));
  auto const applied = world.drover({"agents", "apply", "-f", file});
  EXPECT_EQ(applied.exit_code, 0) << applied.text();
  world.stop_server();
  world.serve();

  auto const run =
      world.drover({"run", "-w", repository.path(), "--json", "--agent", "watch", "go"});
  EXPECT_EQ(run.exit_code, 0) << run.text();
  EXPECT_EQ(os::read_file(repository.path() + "/team.txt", 100).value_or(""), "blue-/home/agent\n");
}

TEST(Agents, OneThatIsUnknownDisabledOrAsksForTooMuchTakesNoWork) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()),
                                      world.model(R"([{"text": "hello"}])"), "go");
  auto const refused = [&](std::string const& name, int status, std::string_view word) {
    invocation["agent"] = name;
    auto const reply = api.post("/api/v1/runs", invocation);
    EXPECT_EQ(reply.status, status) << name;
    EXPECT_TRUE(json::serialize(reply.body).contains(word)) << json::serialize(reply.body);
  };
  refused("nobody", 404, "default");
  auto const apply = [&](json::object const& agent) {
    std::string const file = world.root() + "/agent.json";
    ASSERT_TRUE(os::write_file_atomic(file, json::serialize(agent)));
    auto const applied = world.drover({"agents", "apply", "-f", file});
    ASSERT_EQ(applied.exit_code, 0) << applied.text();
  };
  apply({{"name", "off"}, {"enabled", false}});
  refused("off", 409, "disabled");
  apply({{"name", "typo"}, {"tools", {"Raed"}}});
  refused("typo", 400, "Raed");
  apply({{"name", "other"}, {"runner", "codex"}});
  refused("other", 409, "codex");
}

// A session keeps the agent that it began with, and its next turn is as the agent is by then.
TEST(Agents, AChangeIsForTheNextUnit) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(
      R"([{"expect": {"system_contains": ["First words."]}, "text": "One."},
          {"expect": {"system_contains": ["Second words."]}, "text": "Two."}])");
  world.serve();
  Api api = world.api();
  auto const put = [&](std::string const& words) {
    std::string const file = world.root() + "/agent.json";
    json::object const agent{{"name", "a"}, {"prompt", words}};
    ASSERT_TRUE(os::write_file_atomic(file, json::serialize(agent)));
    ASSERT_EQ(world.drover({"agents", "apply", "-f", file}).exit_code, 0);
  };
  put("First words.");
  auto invocation = World::invocation(api.add_workspace(repository.path()), model, "go");
  invocation["agent"] = "a";
  auto const first = api.dispatch(invocation);
  auto const ended = api.events(first);
  EXPECT_EQ(text_of(ended.back().data, "state"), "succeeded") << json::serialize(ended.back().data);
  put("Second words.");
  invocation["session"] = first.session;
  invocation["agent"] = "default";
  EXPECT_EQ(api.post("/api/v1/runs", invocation).status, 409) << "it is the session's to say";
  invocation.erase("agent");
  auto const again = api.events(api.dispatch(invocation));
  EXPECT_EQ(text_of(again.back().data, "state"), "succeeded") << json::serialize(again.back().data);
}

}  // namespace
}  // namespace drover::harness
