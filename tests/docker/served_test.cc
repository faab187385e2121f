// `drover serve` with units in containers of a real engine.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <boost/json.hpp>

#include "base/text.h"
#include "docker/docker_daemon.h"
#include "harness/mcp_run.h"
#include "harness/processes.h"
#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

using test::DockerDaemon;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Millis kRunDeadline{60'000};

class DockerServed : public ::testing::Test {
 protected:
  void SetUp() override {
    // Each has a daemon of its own: a World fails where a process is left, and a daemon would be.
    daemon_.emplace();
    world_.set_variable("DROVER_DOCKER_HOST", daemon_->host());
    world_.set_variable("DROVER_DOCKER_IMAGE", std::string{DockerDaemon::kImage});
  }
  void TearDown() override {
    world_.stop_server();
    EXPECT_THAT(containers(), IsEmpty());
    daemon_.reset();
  }

  void apply(json::object const& agent) {
    std::string const file = world_.root() + "/agent.json";
    ASSERT_TRUE(os::write_file_atomic(file, json::serialize(agent)));
    auto const applied = world_.drover({"agents", "apply", "-f", file});
    ASSERT_EQ(applied.exit_code, 0) << applied.text();
  }
  std::vector<std::string> containers() {
    std::vector<std::string> all;
    auto const said = daemon_->cli({"ps", "-a", "--format", "{{.ID}} {{.State}}"});
    for (auto const line : split(said, '\n'))
      if (!line.empty()) all.emplace_back(line);
    return all;
  }

  World world_;
  std::optional<DockerDaemon> daemon_;
};

// What a container has and the machine has not: busybox alone below /bin.
constexpr std::string_view kLook = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command": "test -L /bin/ls && test ! -e /usr/bin/git && echo inside > where.txt"}},
                  {"name": "Bash", "input": {"command": "echo x > .git/HEAD"}}]},
  {"expect": {"tool_results": [{"is_error": false}, {"is_error": true}]}, "text": "Looked."},
  {"expect": {"last_user_text_contains": "again"},
   "tool_calls": [{"name": "Bash", "input": {"command": "echo more >> where.txt"}}]},
  {"expect": {"tool_results": [{"is_error": false}]}, "text": "Again."}
])";

TEST_F(DockerServed, AnAgentOfDockerWorksInAContainerBesideOneOfTheMachine) {
  auto const repository = world_.repository("project");
  auto const other = world_.repository("other");
  world_.serve();
  apply({{"name", "boxed"}, {"backend", "docker"}});
  Api api = world_.api();
  auto invocation =
      World::invocation(api.add_workspace(repository.path()), world_.model(kLook), "go");
  invocation["agent"] = "boxed";
  auto const run = api.dispatch(invocation);
  auto const events = api.events(run, kRunDeadline);
  ASSERT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);
  EXPECT_EQ(repository.git({"show", "HEAD:where.txt"}), "inside");
  auto const warm = containers();
  ASSERT_EQ(warm.size(), 1U);
  EXPECT_THAT(warm[0], HasSubstr("paused")) << "between turns nothing of it runs";

  auto const plain =
      api.dispatch(World::invocation(api.add_workspace(other.path()), world_.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "test -e /usr/bin/git"}}]},
    {"expect": {"tool_results": [{"is_error": false}]}, "text": "Here."}])"),
                                     "go"));
  EXPECT_EQ(text_of(api.events(plain).back().data, "state"), "succeeded");
  EXPECT_EQ(world_.units().size(), 1U) << "that of the machine";

  auto const again = api.send_message(run.session, "and again");
  EXPECT_EQ(text_of(api.events(again, kRunDeadline).back().data, "state"), "succeeded");
  EXPECT_EQ(containers(), warm) << "it was the same one";
  EXPECT_EQ(repository.git({"show", "HEAD:where.txt"}), "inside\nmore");
}

// The container stays and its state with it; what a turn had mounted does not.
TEST_F(DockerServed, AResidentAgentWorksInTheContainerThatItKeeps) {
  auto const repository = world_.repository("project");
  auto const other = world_.repository("other");
  world_.serve();
  apply({{"name", "keeper"}, {"backend", "docker"}, {"resident", true}, {"model", world_.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "test -L /bin/ls && cat /state/notes >> told; echo been here >> /state/notes; echo x >> made"}}]},
    {"text": "noted"}])")}});
  Api api = world_.api();
  std::vector<std::string> seen;
  for (Repository const& where : {repository, other}) {
    auto invocation = World::invocation(api.add_workspace(where.path()), "scripted:none", "go");
    invocation["agent"] = "keeper";
    invocation.erase("model");
    auto const events = api.events(api.dispatch(invocation), kRunDeadline);
    ASSERT_EQ(text_of(events.back().data, "state"), "succeeded")
        << json::serialize(events.back().data) << world_.server_log();
    seen.push_back(containers().at(0));
  }
  EXPECT_EQ(other.read("told"), "been here\n");
  EXPECT_EQ(other.read("made"), "x\n");
  EXPECT_EQ(containers().size(), 1U);
  auto const inside = world_.drover({"agents", "exec", "keeper", "--", "ls", "/workspace"});
  EXPECT_EQ(inside.exit_code, 0) << inside.text();
  EXPECT_EQ(inside.out, "") << "nothing of a turn is left in it";
  auto const before = containers();
  world_.kill_server();
  EXPECT_EQ(containers(), before) << "it does not end with its server";
  world_.serve();
  Api again = world_.api();
  auto invocation =
      World::invocation(again.add_workspace(repository.path()), "scripted:none", "go");
  invocation["agent"] = "keeper";
  invocation.erase("model");
  auto const events = again.events(again.dispatch(invocation), kRunDeadline);
  ASSERT_EQ(text_of(events.back().data, "state"), "succeeded") << world_.server_log();
  EXPECT_EQ(repository.read("told"), "been here\nbeen here\n");
  for (std::vector<std::string> const& words :
       {std::vector<std::string>{"agents", "disable", "keeper"},
        {"agents", "sync"},
        {"agents", "wipe", "keeper", "--yes"}}) {
    auto const done = world_.drover(words);
    EXPECT_EQ(done.exit_code, 0) << words[1] << done.text();
  }
}

constexpr std::size_t kIdLength = 12;

std::size_t count(std::string_view text, std::string_view word) {
  std::size_t found = 0;
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1))
    ++found;
  return found;
}

constexpr std::string_view kLookAhead = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command": "test -L /bin/ls && hostname && echo inside > where.txt"}},
                  {"name": "Bash", "input": {"command": "echo x > .git/HEAD"}},
                  {"name": "Bash", "input": {"command": "touch /run/drover/mine"}},
                  {"name": "Bash", "input": {"command": "test -z \"$DROVER_AGENT_IDENTITY_TOKEN\" && test \"$OWN\" = yes && pwd"}}]},
  {"expect": {"tool_results": [{"is_error": false}, {"is_error": true}, {"is_error": true}, {"is_error": false, "contains": "/workspace"}]}, "text": "Looked."}
])";

TEST_F(DockerServed, AnAgentsContainerIsThereBeforeItsRun) {
  auto const repository = world_.repository("project");
  world_.serve();
  json::object const ahead{
      {"name", "ahead"}, {"backend", "docker"}, {"warm", 1}, {"env", json::object{{"OWN", "yes"}}}};
  apply(ahead);
  auto const until = [&](auto const& condition) {
    ASSERT_TRUE(eventually(condition, kRunDeadline));
  };
  auto const names = [&] { return daemon_->cli({"ps", "--format", "{{.ID}} {{.Names}}"}); };
  Api api = world_.api();
  auto const workspace = api.add_workspace(repository.path());
  std::size_t waiting = 0;
  for (std::string const place : {"in_place", "worktree"}) {
    auto invocation = World::invocation(workspace, world_.model(kLookAhead), "go");
    invocation["agent"] = "ahead";
    invocation.at("workspaces").as_array()[0].as_object()["checkout"] = place;
    ++waiting;
    until([&] { return count(world_.server_log(), "container-warm") == waiting; });
    auto const all = names();
    auto const name = all.find("-warm-");
    ASSERT_NE(name, std::string::npos) << all;
    auto const container = all.substr(all.rfind('\n', name) + 1, kIdLength);
    auto const run = api.dispatch(invocation);
    EXPECT_EQ(text_of(api.events(run, kRunDeadline).back().data, "state"), "succeeded");
    EXPECT_THAT(daemon_->cli({"ps", "--filter", "id=" + container, "--format", "{{.Names}}"}),
                testing::AllOf(testing::Not(IsEmpty()), testing::Not(HasSubstr("-warm-"))))
        << "it is the one that waited";
  }
  EXPECT_EQ(repository.git({"show", "HEAD:where.txt"}), "inside");
  auto none = ahead;
  none["warm"] = 0;
  apply(none);
  until([&] { return names().find("-warm-") == std::string::npos; });
}

constexpr std::string_view kInterrupted = R"([
  {"tool_calls": [{"name": "Bash", "input": {"command": "echo first >> effects.txt"}}]},
  {"expect": {"tool_results": [{"is_error": false}]},
   "tool_calls": [{"name": "Bash", "input": {"command": "touch /workspace/.claude/begun; sleep 600"}}]},
  {"expect": {"tool_results": [{"is_error": true}]}, "text": "Finished after all."}
])";

TEST_F(DockerServed, ARunGoesOnWhoeverDies) {
  world_.set_variable("DROVER_BACKEND", "docker");
  for (std::string const victim : {"container", "server"}) {
    auto const repository = world_.repository(victim);
    if (victim == "container") world_.serve();
    RunRef run;
    {
      Api api = world_.api();
      run = api.dispatch(World::invocation(api.add_workspace(repository.path()),
                                           world_.model(kInterrupted), "go"));
      ASSERT_TRUE(eventually([&] { return repository.has(".claude/begun"); }, kRunDeadline));
    }
    if (victim == "server") {
      world_.kill_server();
      world_.serve();
    } else {
      auto const line = containers().front();
      daemon_->cli({"rm", "-f", std::string{split(line, ' ').front()}});
    }
    Api api = world_.api();
    auto const events = api.events(run, kRunDeadline);
    EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
        << victim << json::serialize(events.back().data);
    EXPECT_EQ(text_of(events.back().data, "reply"), "Finished after all.");
    EXPECT_EQ(repository.git({"show", "HEAD:effects.txt"}), "first") << victim;
  }
}

TEST_F(DockerServed, AnEngineThatIsNotThereFailsTheRunWithItsAddress) {
  auto const repository = world_.repository("project");
  world_.set_variable("DROVER_DOCKER_HOST", "unix:///nobody/docker.sock");
  world_.serve();
  apply({{"name", "boxed"}, {"backend", "docker"}});
  auto const run = world_.drover({"run", "-w", repository.path(), "--agent", "boxed", "--model",
                                  world_.model(R"([{"text": "hello"}])"), "go"},
                                 "", kRunDeadline);
  EXPECT_NE(run.exit_code, 0);
  EXPECT_THAT(run.text(), HasSubstr("/nobody/docker.sock"));
}

// A container outlives its server, and the next one knows it again.
TEST_F(DockerServed, AWorkloadOfTheApiGoesOnAfterARestart) {
  std::filesystem::create_directories(world_.state_folder());
  ASSERT_TRUE(os::write_file_atomic(world_.state_folder() + "/profiles.toml", R"(
[sleep]
backend = "docker"
command = ["/bin/sh", "-c", "echo begun; trap 'exit 7' TERM; while :; do sleep 0.05; done"]
memory_mb = 64
)"));
  world_.serve();
  auto const started =
      world_.drover({"workloads", "start", "sleep", "--id", "one"}, "", kRunDeadline);
  ASSERT_EQ(started.exit_code, 0) << started.text();
  auto const before = containers();
  ASSERT_EQ(before.size(), 1U);
  world_.kill_server();
  world_.serve();
  auto const state = [&] { return text_of(world_.api().get("/workloads/one").body, "state"); };
  EXPECT_EQ(state(), "running");
  EXPECT_TRUE(eventually([&] { return world_.api().get("/health").status == 200; }));
  auto const logs = world_.drover({"workloads", "logs", "one"});
  EXPECT_THAT(logs.out, HasSubstr("begun"));
  EXPECT_EQ(containers(), before);
  auto const stopped = world_.drover({"workloads", "stop", "one", "--json"}, "", kRunDeadline);
  ASSERT_EQ(stopped.exit_code, 0) << stopped.text();
  EXPECT_EQ(integer_or(stopped.lines().back(), "exitCode", -1), 7);
  EXPECT_THAT(containers(), IsEmpty());
  EXPECT_EQ(world_.drover({"workloads", "rm", "one"}).exit_code, 0);
  EXPECT_EQ(world_.api().get("/workloads/one").status, 404);
}

// A container has no network either: the relay on its own loopback and the unit's socket are its
// ways out.
TEST_F(DockerServed, AContainersUnitReachesItsHostsAndItsTools) {
  auto const repository = world_.repository("project");
  auto const served = world_.repository("served");
  ProgramOptions options;
  options.arguments = {"/usr/bin/python3", "-u", "-m", "http.server", "-b", "127.0.0.1", "0"};
  options.environment = world_.environment();
  options.folder = served.path();
  Program server{options};
  ASSERT_TRUE(server.prints(") ..."));
  auto const at = server.printed().find("port ") + 5;
  std::string const port = server.printed().substr(at, server.printed().find(' ', at) - at);
  ToolServer tools;
  tools.set_token("sk-of-the-tickets");
  ASSERT_TRUE(os::make_folders(world_.state_folder(), 0700));
  ASSERT_TRUE(os::write_file_atomic(world_.state_folder() + "/gateway.toml", tools.config(), 0600));
  world_.serve();
  apply({{"name", "boxed"},
         {"backend", "docker"},
         {"egress", json::array{json::string{"127.0.0.1:" + port}}},
         {"mcp", json::array{json::object{{"server", "tickets"}}}}});
  std::string const url = "http://127.0.0.1:" + port + "/README.md";
  json::object const fetch{{"command", json::string{"NO_PROXY= no_proxy= wget -q -O - " + url}}};
  json::object const past{
      {"command", json::string{"http_proxy= HTTP_PROXY= wget -q -T 3 -O - " + url}}};
  json::array calls;
  calls.push_back(json::object{{"name", "Bash"}, {"input", fetch}});
  calls.push_back(json::object{{"name", "Bash"}, {"input", past}});
  calls.push_back(json::object{{"name", "mcp__tickets__read"}, {"input", {{"text", "one"}}}});
  json::array results;
  results.push_back(json::object{{"contains", "a project"}, {"is_error", false}});
  results.push_back(json::object{{"is_error", true}});
  results.push_back(json::object{{"contains", "did read one with ***"}, {"is_error", false}});
  json::array turns;
  turns.push_back(json::object{{"tool_calls", std::move(calls)}});
  turns.push_back(json::object{{"expect", json::object{{"tool_results", std::move(results)}}},
                               {"text", "Fetched."}});
  Api api = world_.api();
  auto invocation = World::invocation(api.add_workspace(repository.path()),
                                      world_.model(json::serialize(turns)), "go");
  invocation["agent"] = "boxed";
  auto const events = api.events(api.dispatch(invocation), kRunDeadline);
  EXPECT_EQ(text_of(events.back().data, "reply"), "Fetched.")
      << json::serialize(events.back().data);
  EXPECT_EQ(tools.made(), "one\n");
}

}  // namespace
}  // namespace drover::harness
