// `drover serve` with a real Redis as its broker.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>

#include "harness/processes.h"
#include "harness/world.h"
#include "redis/redis_server.h"

namespace drover::harness {
namespace {

using test::RedisServer;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kAnswer = R"([{"repeat": 100, "text": "Yes."}])";

std::string state_of(Api& api) {
  return text_of(api.get("/api/v1/broker").body, "state");
}

// The events that Redis has of a run or unit, as many as the words that mark one.
std::size_t copied(RedisServer& server, std::string const& stream) {
  return std::stoul(server.cli({"XLEN", stream}));
}

TEST(ServedWithRedis, RunsGoByRedisAndTheirEventsAreThere) {
  World world;
  RedisServer redis;  // ends before the world looks for what is left
  world.set_variable("DROVER_BROKER", redis.url());
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  ASSERT_TRUE(eventually([&] { return state_of(api) == "ok"; }, Millis{5'000}));
  auto const workspace = api.add_workspace(repository.path());
  auto const model = world.model(kAnswer);
  RunRef run;
  // The worker's first claim may have begun before Redis was there.
  for (int i = 0; i < 3; ++i) {
    run = api.dispatch(World::invocation(workspace, model, "go"));
    auto const events = api.events(run);
    EXPECT_EQ(text_of(last_of(events, "turn-complete"), "state"), "succeeded");
    EXPECT_TRUE(eventually([&] { return copied(redis, "task:run:" + run.run) == events.size(); },
                           Millis{5'000}));
  }
  EXPECT_THAT(redis.cli({"XRANGE", "task:run:" + run.run, "-", "+"}), HasSubstr("turn-complete"));
  auto const last_id = [](std::string const& info) {
    auto const at = info.find("last-generated-id\n");
    return info.substr(at + 18, info.find('\n', at + 18) - at - 18);
  };
  EXPECT_NE(last_id(redis.cli({"XINFO", "STREAM", "task:dispatch:background-agent"})), "0-0");
  std::string const unit = redis.cli({"KEYS", "unit:*:out"});
  EXPECT_THAT(unit, HasSubstr("unit:agent-"));
  world.stop_server();
}

TEST(ServedWithRedis, GoesOnWithoutItAndSaysSo) {
  World world;
  RedisServer redis;  // ends before the world looks for what is left
  world.set_variable("DROVER_BROKER", redis.url());
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  ASSERT_TRUE(eventually([&] { return state_of(api) == "ok"; }, Millis{5'000}));
  auto const invocation =
      World::invocation(api.add_workspace(repository.path()), world.model(kAnswer), "go");
  redis.kill();
  ASSERT_TRUE(eventually([&] { return state_of(api) == "degraded"; }, Millis{5'000}));
  auto const run = api.dispatch(invocation);
  auto const events = api.events(run);
  EXPECT_EQ(text_of(last_of(events, "turn-complete"), "state"), "succeeded");
  auto const up = world.drover({"up"});
  EXPECT_EQ(up.exit_code, 0);
  EXPECT_THAT(up.err, HasSubstr("degraded"));
  redis.start();
  ASSERT_TRUE(eventually([&] { return state_of(api) == "ok"; }, Millis{10'000}));
  EXPECT_TRUE(eventually([&] { return copied(redis, "task:run:" + run.run) == events.size(); },
                         Millis{5'000}));
  world.stop_server();
}

TEST(ServedWithRedis, KeepsAHeartbeatWhileASessionWorks) {
  World world;
  RedisServer redis;  // ends before the world looks for what is left
  world.set_variable("DROVER_BROKER", redis.url());
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const run = api.dispatch(World::invocation(
      api.add_workspace(repository.path()),
      world.model(R"([{"tool_calls": [{"name": "Bash", "input": {"command": "sleep 600"}}]}])"),
      "go"));
  std::string const key = "worker:active:" + run.session;
  EXPECT_TRUE(eventually([&] { return redis.cli({"EXISTS", key}) == "1"; }, Millis{5'000}));
  int const life = std::stoi(redis.cli({"TTL", key}));
  EXPECT_GT(life, 60);
  EXPECT_LE(life, 90);
  (void)api.post(fmt::format("/api/v1/runs/{}/cancel", run.run), {});
  EXPECT_TRUE(eventually([&] { return redis.cli({"EXISTS", key}) == "0"; }, Millis{10'000}));
  world.stop_server();
}

// A worker elsewhere, at a server that works on nothing itself.
class WorkerByRedis : public testing::Test {
 protected:
  WorkerByRedis() : repository_(world_.repository("project")) {}

  void begin(std::vector<std::string> more = {}) {
    world_.set_variable("DROVER_BROKER", redis_.url());
    world_.serve({"--no-worker"});
    more.insert(more.begin(), "worker");
    worker_ = world_.start_drover(std::move(more));
    ASSERT_TRUE(worker_->prints("offers-by-redis"));
  }
  RunRef dispatch() {
    Api api = world_.api();
    return api.dispatch(
        World::invocation(api.add_workspace(repository_.path()), world_.model(kAnswer), "go"));
  }
  // Whether it was worked on to its end.
  bool ends_well(RunRef const& run) {
    auto const events = world_.api().events(run);
    EXPECT_EQ(fault_of(events, run.run), "");
    return text_of(last_of(events, "turn-complete"), "state") == "succeeded";
  }
  // The worker itself has read offers since Redis was started.
  bool reads_offers() {
    return redis_.cli({"XINFO", "CONSUMERS", "task:dispatch:background-agent", "agent-workers"})
        .contains("worker-");
  }
  void end() {
    worker_->signal(SIGTERM);
    Outcome const outcome = worker_->finish();
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    world_.stop_server();
  }

  World world_;
  RedisServer redis_;  // ends before the world looks for what is left
  Repository repository_;
  std::unique_ptr<Program> worker_;
};

TEST_F(WorkerByRedis, TakesItsOffersFromThereAndItsClaimsFromTheServer) {
  begin();
  EXPECT_TRUE(eventually([&] { return ends_well(dispatch()) && reads_offers(); }));
  // Nothing is left over of what it has taken up.
  EXPECT_TRUE(
      eventually([&] { return redis_.cli({"XLEN", "task:dispatch:background-agent"}) == "0"; }));
  EXPECT_THAT(redis_.cli({"XPENDING", "task:dispatch:background-agent", "agent-workers"}),
              testing::StartsWith("0"));
  end();
}

TEST_F(WorkerByRedis, ReadsOnlyWhatItsLabelsAreFor) {
  world_.set_variable("DROVER_WORKER_LABELS", "gpu=a100");
  begin();
  Api api = world_.api();
  for (std::string const gpu : {"a100", "h100"})
    EXPECT_EQ(api.put("/api/v1/task-types/on-" + gpu,
                      {{"name", json::string{"on-" + gpu}}, {"labels", {{"gpu", gpu}}}})
                  .status,
              201);
  auto const dispatch_on = [&](std::string const& gpu) {
    auto const other = world_.repository("on-" + gpu);
    auto invocation =
        World::invocation(api.add_workspace(other.path()), world_.model(kAnswer), "go");
    invocation["task_type"] = json::string{"on-" + gpu};
    return api.dispatch(invocation);
  };
  auto const left = dispatch_on("h100");
  EXPECT_TRUE(ends_well(dispatch_on("a100")));
  EXPECT_EQ(text_of(api.run(left.run), "detail"), "waits for a worker with gpu=h100");
  EXPECT_EQ(redis_.cli({"XLEN", "task:dispatch:on-h100?gpu%3Dh100"}), "1");
  EXPECT_THAT(redis_.cli({"XPENDING", "task:dispatch:on-h100?gpu%3Dh100", "agent-workers"}),
              testing::StartsWith("0"));
  end();
}

TEST_F(WorkerByRedis, AsksTheServerWhileRedisIsAwayAndComesBackToIt) {
  begin();
  EXPECT_TRUE(eventually([&] { return ends_well(dispatch()) && reads_offers(); }));
  redis_.kill();
  EXPECT_TRUE(ends_well(dispatch()));
  EXPECT_TRUE(ends_well(dispatch()));
  redis_.start();
  EXPECT_TRUE(eventually([&] { return ends_well(dispatch()) && reads_offers(); }));
  end();
}

TEST_F(WorkerByRedis, AsksTheServerWhileRedisStandsStill) {
  begin();
  EXPECT_TRUE(eventually([&] { return ends_well(dispatch()) && reads_offers(); }));
  redis_.pause();
  EXPECT_TRUE(ends_well(dispatch()));
  EXPECT_TRUE(ends_well(dispatch()));
  redis_.resume();
  EXPECT_TRUE(ends_well(dispatch()));
  end();
}

// Its offers would never come.
TEST_F(WorkerByRedis, AsksTheServerWhereTheRedisIsAnother) {
  RedisServer const other;
  world_.set_variable("DROVER_BROKER", redis_.url());
  world_.serve({"--no-worker"});
  worker_ = world_.start_drover({"worker", "--broker", other.url()});
  ASSERT_TRUE(worker_->prints("redis-not-the-servers"));
  EXPECT_TRUE(ends_well(dispatch()));
  EXPECT_FALSE(reads_offers());
  end();
}

TEST(ServedWithRedis, RefusesABrokerThatCannotWorkInOneSentence) {
  World world;
  RedisServer redis{{.arguments = {"--requirepass", "hunter2"}}};
  struct Case {
    std::string url;
    std::string says;
  };
  std::string const at = fmt::format("127.0.0.1:{}", redis.port());
  for (Case const& one :
       {Case{"http://" + at, "redis://"}, Case{"redis://:hunter3@" + at, "check user and password"},
        Case{"redis://" + at, "put user and password"}}) {
    auto const ended = world.drover({"serve", "--broker", one.url});
    EXPECT_NE(ended.exit_code, 0);
    EXPECT_THAT(ended.err, HasSubstr(one.says));
    EXPECT_THAT(ended.err, Not(HasSubstr("hunter")));
    EXPECT_TRUE(
        ended.err.substr(ended.err.rfind('\n', ended.err.size() - 2) + 1).starts_with("drover: "))
        << ended.err;
  }
}

}  // namespace
}  // namespace drover::harness
