// Resident agents of the real server: their sandboxes, over the API and the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include <boost/json.hpp>

#include "harness/world.h"
#include "os/files.h"

namespace drover::harness {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};

class FleetServed : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounts into a sandbox that runs need root";
  }
  void put(bool enabled) {
    json::object agent{{"name", "dev"}, {"resident", true}};
    if (!enabled) agent["enabled"] = false;
    auto const reply = world_.api().put("/api/v1/agents/dev", agent);
    ASSERT_LT(reply.status, 300) << reply.text;
  }
  // The one instance; null where there is none.
  json::object instance() {
    auto const reply = world_.api().get("/api/v1/fleet");
    auto const& agents = reply.body.at("agents").as_array();
    if (agents.empty()) return {};
    return agents.front().at("instances").as_array().front().as_object();
  }
  bool runs() {
    auto const one = instance();
    return !one.empty() && one.at("container").is_string();
  }
  template <class Condition>
  void until(Condition condition) {
    auto const deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition() && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
    ASSERT_TRUE(condition());
  }

  World world_;
};

TEST_F(FleetServed, AnAgentThatIsPutHasASandboxAndOneThatIsDisabledKeepsItsState) {
  world_.serve();
  put(true);
  until([this] { return runs(); });
  std::string const state = world_.state_folder() + "/residents/dev/state";
  EXPECT_TRUE(os::exists(state));
  auto const one = world_.api().get("/api/v1/fleet/dev");
  ASSERT_EQ(one.status, 200) << one.text;
  EXPECT_EQ(one.body.at("spend").at("runs"), 0);
  auto const refused = world_.api().post("/api/v1/agents/dev/wipe", {{"confirm", "dev"}});
  EXPECT_EQ(refused.status, 409) << refused.text;
  EXPECT_EQ(world_.api().post("/api/v1/agents/dev/wipe", {{"confirm", "other"}}).status, 400);
  put(false);
  until([this] { return instance().at("state") == "stopped"; });
  EXPECT_TRUE(os::exists(state));
  auto const wiped = world_.drover({"agents", "wipe", "dev", "--yes"});
  EXPECT_EQ(wiped.exit_code, 0) << wiped.text();
  EXPECT_FALSE(os::exists(state));
  EXPECT_EQ(world_.api().get("/api/v1/fleet/dev").status, 404);
  world_.stop_server();
}

TEST_F(FleetServed, ItsSandboxEndsWithTheServerAndTheNextHasItAgain) {
  world_.serve();
  put(true);
  until([this] { return runs(); });
  world_.stop_server();
  world_.serve();
  until([this] { return runs(); });
  auto const status = world_.drover({"agents", "status"});
  EXPECT_THAT(status.text(), HasSubstr("dev"));
  auto const synced = world_.drover({"agents", "sync"});
  EXPECT_EQ(synced.exit_code, 0) << synced.text();
  EXPECT_THAT(synced.text(), HasSubstr("unchanged: 1 dev"));
  world_.kill_server();
  world_.serve();
  until([this] { return runs(); });
  world_.stop_server();
}

TEST_F(FleetServed, WhatEachUsesAndHasCostIsOneAnswerForAll) {
  world_.serve();
  auto const repository = world_.repository("work");
  json::object const agent{
      {"name", "dev"}, {"resident", true}, {"model", world_.model(R"([{"text": "done"}])")}};
  ASSERT_LT(world_.api().put("/api/v1/agents/dev", agent).status, 300);
  until([this] { return runs(); });
  auto const run = world_.drover({"run", "-w", repository.path(), "--agent", "dev", "Do it."});
  ASSERT_EQ(run.exit_code, 0) << run.text();
  auto const plain = world_.api().get("/api/v1/fleet");
  EXPECT_FALSE(plain.body.at("agents").at(0).as_object().contains("spend"));
  auto const reply = world_.api().get("/api/v1/fleet?usage=true");
  ASSERT_EQ(reply.status, 200) << reply.text;
  auto const& dev = reply.body.at("agents").at(0);
  EXPECT_EQ(dev.at("spend").at("runs"), 1) << reply.text;
  EXPECT_GT(dev.at("spend").at("output_tokens").to_number<int>(), 0) << reply.text;
  auto const& instance = dev.at("instances").at(0);
  EXPECT_GT(instance.at("memory_bytes").to_number<std::int64_t>(), 0);
  EXPECT_GT(instance.at("cpu_s").to_number<double>(), 0.0);
  EXPECT_EQ(world_.api().get("/api/v1/fleet?usage=yes").status, 400);
  auto const table = world_.drover({"agents", "usage"});
  EXPECT_EQ(table.exit_code, 0) << table.text();
  EXPECT_THAT(table.out, testing::ContainsRegex("dev +running +1 .*B +1 "));
  auto const alone = world_.drover({"agents", "usage", "dev", "--json"});
  EXPECT_THAT(alone.out, HasSubstr("\"spend\""));
  world_.stop_server();
}

TEST_F(FleetServed, LogsAreFollowedOverAReplacementUntilTheAgentIsDisabled) {
  world_.serve();
  auto const repository = world_.repository("work");
  json::object agent{
      {"name", "dev"}, {"resident", true}, {"model", world_.model(R"([{"text": "done"}])")}};
  ASSERT_LT(world_.api().put("/api/v1/agents/dev", agent).status, 300);
  until([this] { return runs(); });
  auto const follower = world_.start_drover({"agents", "logs", "dev", "--follow"});
  // A unit says that it has started.
  auto const turn = [&] {
    return world_.drover({"run", "-w", repository.path(), "--agent", "dev", "Do it."});
  };
  auto const first = turn();
  ASSERT_EQ(first.exit_code, 0) << first.text();
  EXPECT_TRUE(follower->prints("dev  ")) << "whose line it is";
  EXPECT_TRUE(follower->prints("unit-started"));
  agent["env"] = json::object{{"TEAM", "blue"}};
  ASSERT_LT(world_.api().put("/api/v1/agents/dev", agent).status, 300);
  EXPECT_TRUE(follower->prints("dev goes on in a new container"));
  auto const second = turn();
  ASSERT_EQ(second.exit_code, 0) << second.text();
  agent["enabled"] = false;
  ASSERT_LT(world_.api().put("/api/v1/agents/dev", agent).status, 300);
  auto const outcome = follower->finish();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
  std::size_t started = 0;
  for (auto at = outcome.out.find("unit-started"); at != std::string::npos;
       at = outcome.out.find("unit-started", at + 1))
    ++started;
  EXPECT_EQ(started, 2U) << outcome.text();
  world_.stop_server();
}

TEST_F(FleetServed, WhoFollowsEndsWithCtrlCAndTheServerDoesNotWaitForIt) {
  world_.serve();
  put(true);
  until([this] { return runs(); });
  auto const one = world_.start_drover({"agents", "logs", "dev", "-f"});
  auto const other = world_.start_drover({"agents", "logs", "dev", "-f", "--instance", "dev"});
  auto const wrong = world_.drover({"agents", "logs", "dev", "-f", "--instance", "dev-7"});
  EXPECT_EQ(wrong.exit_code, 2) << wrong.text();
  one->signal(SIGINT);
  EXPECT_EQ(one->finish().exit_code, 130);
  world_.stop_server();
  EXPECT_TRUE(other->prints("connecting again"));
  world_.serve();
  until([this] { return runs(); });
  other->signal(SIGINT);
  EXPECT_EQ(other->finish().exit_code, 130);
  world_.stop_server();
}

TEST_F(FleetServed, SyncWithoutAServerLeavesSandboxesToIt) {
  world_.serve();
  put(true);
  world_.stop_server();
  auto const synced = world_.drover({"agents", "sync"});
  EXPECT_EQ(synced.exit_code, 0) << synced.text();
  EXPECT_THAT(synced.text(), HasSubstr("failed: 0"));
}

}  // namespace
}  // namespace drover::harness
