// Resident agents on the process backend: runs of theirs work in the sandbox that is there already.
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include <boost/json.hpp>

#include "harness/api.h"
#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

using ::testing::HasSubstr;

class Residents : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "resident agents are given workspaces by root alone";
  }

  // A resident agent as a file of the configuration.
  void write_agent(json::object agent) {
    agent["resident"] = true;
    std::string const name{agent.at("name").as_string()};
    ASSERT_TRUE(os::make_folders(world_.state_folder() + "/agents"));
    ASSERT_TRUE(os::write_file_atomic(fmt::format("{}/agents/{}.json", world_.state_folder(), name),
                                      json::serialize(agent)));
  }
  RunRef run(std::string const& agent, std::string const& prompt) {
    auto invocation = World::invocation(workspace_, "scripted:none", prompt);
    invocation["agent"] = agent;
    invocation.erase("model");
    return api_->dispatch(invocation);
  }
  void serve() {
    world_.serve();
    Api api = world_.api();
    api_ = std::make_unique<Api>(api.url(), api.token());
    workspace_ = api_->add_workspace(project_.path());
  }
  // The one terminal event's state.
  std::string end_of(RunRef const& ref) {
    auto const events = api_->events(ref, Millis{40'000});
    if (events.empty()) return "nothing: " + world_.server_log();
    std::string const state = text_of(events.back().data, "state");
    return state == "succeeded" ? state : json::serialize(events.back().data) + world_.server_log();
  }
  std::optional<RunRef> last_run_of(std::string const& agent) {
    for (json::value const& one : api_->get("/api/v1/runs?limit=50").body.at("runs").as_array())
      if (text_of(one.as_object(), "agent") == agent)
        return RunRef{text_of(one.as_object(), "id"), text_of(one.as_object(), "session")};
    return std::nullopt;
  }

  World world_;
  Repository project_ = world_.repository("project");
  std::unique_ptr<Api> api_;
  std::string workspace_;
};

TEST_F(Residents, ARunWorksInTheAgentsOwnPlaceAndRemembersThere) {
  auto const model = world_.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command":
      "cat /state/notes >> told; echo been here >> /state/notes; ls /workspaces > beside; id -u > who"}}]},
    {"text": "noted"}])");
  write_agent({{"name", "keeper"}, {"model", model}});
  serve();
  auto const first = run("keeper", "one");
  ASSERT_EQ(end_of(first), "succeeded");
  EXPECT_EQ(project_.read("told"), "");
  ASSERT_EQ(end_of(run("keeper", "two")), "succeeded");
  EXPECT_EQ(project_.read("told"), "been here\n") << "another session, the same state";
  EXPECT_EQ(project_.read("who"), "1000\n");
  EXPECT_EQ(os::read_file(world_.state_folder() + "/residents/keeper/state/notes").value_or(""),
            "been here\nbeen here\n");
  world_.stop_server();
  EXPECT_THAT(world_.leftovers(), ::testing::IsEmpty());
}

TEST_F(Residents, ItsStateOutlivesTheServer) {
  auto const model = world_.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "echo mark >> /state/marks; cp /state/marks ."}}]},
    {"text": "noted"}])");
  write_agent({{"name", "keeper"}, {"model", model}});
  serve();
  ASSERT_EQ(end_of(run("keeper", "one")), "succeeded");
  world_.kill_server();
  serve();
  ASSERT_EQ(end_of(run("keeper", "two")), "succeeded");
  EXPECT_EQ(project_.read("marks"), "mark\nmark\n");
}

TEST_F(Residents, WhoKillsItsProgramLosesNoWork) {
  auto const model = world_.model(R"([
    {"tool_calls": [{"name": "Bash", "input": {"command": "sleep 60"}}]},
    {"tool_calls": [{"name": "Bash", "input": {"command": "echo done > made"}}]},
    {"text": "made"}])");
  write_agent({{"name", "worker"}, {"model", model}});
  serve();
  auto const id = run("worker", "work");
  ASSERT_TRUE(api_->await_event(id, "tool-call"));
  auto const programs = world_.units();
  ASSERT_FALSE(programs.empty());
  for (pid_t const pid : programs)
    ::kill(pid, SIGKILL);
  EXPECT_EQ(end_of(id), "succeeded");
  EXPECT_EQ(project_.read("made"), "done\n");
}

TEST_F(Residents, AnAgentHandsItsWorkToAnother) {
  auto const boss = world_.model(R"([
    {"tool_calls": [{"name": "mcp__drover__hand_over", "input": {"agent": "dev", "prompt": "write it"}},
                    {"name": "mcp__drover__hand_over", "input": {"agent": "nobody", "prompt": "write it"}}]},
    {"text": "handed on"}])");
  auto const dev = world_.model(R"([
    {"tool_calls": [{"name": "Write", "input": {"file_path": "made", "content": "by dev"}}]},
    {"text": "Write it"}])");
  write_agent({{"name", "boss"}, {"model", boss}, {"hands_to", {"dev"}}});
  write_agent({{"name", "dev"}, {"model", dev}, {"replicas", 2}});
  serve();
  auto const id = run("boss", "see to it");
  ASSERT_EQ(end_of(id), "succeeded");
  auto const handed = last_run_of("dev");
  ASSERT_TRUE(handed) << world_.server_log();
  ASSERT_EQ(end_of(*handed), "succeeded");
  EXPECT_EQ(project_.read("made"), "by dev");
}

TEST_F(Residents, LimitsOfTheMachineAreTheContainersAndARunThatAsksForOthersIsTold) {
  write_agent({{"name", "keeper"}, {"model", world_.model(R"([{"text": "x"}])")}});
  serve();
  auto invocation = World::invocation(workspace_, "scripted:none", "x");
  invocation["agent"] = "keeper";
  invocation["limits"] = json::object{{"memory_mb", 64}};
  auto const refused = api_->post("/api/v1/runs", invocation);
  EXPECT_EQ(refused.status, 501) << json::serialize(refused.body);
  EXPECT_THAT(json::serialize(refused.body), HasSubstr("those of its container"));
}

}  // namespace
}  // namespace drover::harness
