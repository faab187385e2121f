// Queue and event streams over a real Redis that is stopped, killed, flushed and filled up: nothing
// is lost and nothing is done twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/text.h"
#include "broker/redis_check.h"
#include "broker/redis_scripts.h"
#include "redis/broker_world.h"

namespace drover::broker {
namespace {

using test::BrokerWorld;
using test::kType;
using test::quick_options;
using test::RedisServer;
using testing::HasSubstr;
using testing::Not;

std::string const kStream = "task:dispatch:background-agent";

// Every run was worked on once, and Redis has every event of it, in order, once.
void expect_whole(BrokerWorld& world, std::string const& url, int runs) {
  EXPECT_EQ(world.finished.size(), static_cast<std::size_t>(runs));
  for (auto const& [run, times] : world.finished)
    EXPECT_EQ(times, 1) << run;
  EXPECT_TRUE(world.run_until_well()) << world.redis->status().problem->text();
  EXPECT_TRUE(world.run_until([&] { return world.redis->status().streams_behind == 0; }));
  // Data that Redis lost is missed a moment later, and sent again.
  for (auto const& [run, times] : world.finished) {
    auto const mirrored = [&] { return mirrored_events(world, *redis::parse_endpoint(url), run); };
    auto const stored = test::as_mirrored(world.stored_events(run));
    (void)world.run_until([&] { return mirrored() == stored; });
    EXPECT_EQ(mirrored(), stored) << run;
  }
}

bool run_until_finished(BrokerWorld& world, std::size_t runs) {
  return world.run_until([&] { return world.finished.size() >= runs; });
}

class RedisAtHand : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(world.run_until_well()); }

  RedisServer server;
  BrokerWorld world{server.url()};
};

TEST_F(RedisAtHand, CarriesRunsAndLeavesNothingBehind) {
  world.start_workers(4, 5);
  world.enqueue_many("run-a", 100);
  ASSERT_TRUE(run_until_finished(world, 100));
  expect_whole(world, server.url(), 100);
  EXPECT_TRUE(world.run_until([&] { return server.cli({"XLEN", kStream}) == "0"; }));
  EXPECT_THAT(server.cli({"XPENDING", kStream, "agent-workers"}), testing::StartsWith("0"));
  // They went by Redis, and not around it.
  EXPECT_THAT(server.cli({"XINFO", "STREAM", kStream}),
              testing::ContainsRegex("entries-added\n1[0-9][0-9]\n"));
}

TEST(RedisBroker, OffersNoMoreThanItsWindowAhead) {
  RedisServer server;
  auto options = quick_options();
  options.relay.window = 10;
  BrokerWorld world{server.url(), options};
  ASSERT_TRUE(world.run_until_well());
  world.enqueue_many("run-a", 50);
  ASSERT_TRUE(world.run_until([&] { return world.redis->status().offers_out == 10; }));
  EXPECT_EQ(server.cli({"XLEN", kStream}), "10");
  world.start_workers(3, 1);
  ASSERT_TRUE(run_until_finished(world, 50));
  expect_whole(world, server.url(), 50);
}

TEST_F(RedisAtHand, ACancelledRunIsOfferedNoMore) {
  world.enqueue("run-a");
  ASSERT_TRUE(world.run_until([&] { return server.cli({"XLEN", kStream}) == "1"; }));
  auto const cancelled =
      world.engine.finish(world.engine.writer.run([&](store::Transaction& transaction) {
        return world.queue->cancel(transaction, RunId::trusted("run-a"));
      }));
  ASSERT_TRUE(cancelled);
  EXPECT_TRUE(world.run_until([&] { return server.cli({"XLEN", kStream}) == "0"; }));
}

TEST_F(RedisAtHand, OffersAnewAfterAFlushAlsoWhileNobodyAsks) {
  world.enqueue("run-a");
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(world.run_until([&] { return server.cli({"XLEN", kStream}) == "1"; }));
    server.cli({"FLUSHALL"});
  }
  ASSERT_TRUE(world.run_until([&] { return server.cli({"XLEN", kStream}) == "1"; }));
  world.start_workers(1, 1);
  ASSERT_TRUE(run_until_finished(world, 1));
  expect_whole(world, server.url(), 1);
}

TEST_F(RedisAtHand, SurvivesARedisThatIsKilledAndComesBackEmpty) {
  world.start_workers(3, 10);
  for (int round = 0; round < 3; ++round) {
    world.enqueue_many(fmt::format("run-{}", round), 30);
    world.run_until(
        [&] { return world.finished.size() >= static_cast<std::size_t>(round) * 60 + 5; });
    server.kill();
    // Away, it is a messenger less: work goes on.
    world.enqueue_many(fmt::format("run-{}-away", round), 30);
    ASSERT_TRUE(run_until_finished(world, static_cast<std::size_t>(round + 1) * 60));
    EXPECT_TRUE(world.redis->status().problem);
    server.start();
    ASSERT_TRUE(world.run_until_well());
  }
  expect_whole(world, server.url(), 180);
}

TEST(RedisBroker, SurvivesARedisThatLosesItsTail) {
  RedisServer server{{.keeps_data = true}};
  BrokerWorld world{server.url()};
  ASSERT_TRUE(world.run_until_well());
  world.start_workers(3, 10);
  world.enqueue_many("run-a", 60);
  world.run_until([&] { return world.finished.size() >= 20; });
  server.kill();  // what it had not synced yet is gone
  ASSERT_TRUE(run_until_finished(world, 60));
  server.start();
  ASSERT_TRUE(world.run_until_well());
  expect_whole(world, server.url(), 60);
}

TEST_F(RedisAtHand, SurvivesAFlushInMidFlight) {
  world.start_workers(3, 10);
  for (int round = 0; round < 5; ++round) {
    world.enqueue_many(fmt::format("run-{}", round), 20);
    world.run_until(
        [&] { return world.finished.size() >= static_cast<std::size_t>(round) * 20 + 5; });
    server.cli({"FLUSHALL"});
  }
  ASSERT_TRUE(run_until_finished(world, 100));
  // Also the last flush is noticed while nothing else happens.
  ASSERT_TRUE(world.run_until([&] { return server.cli({"EXISTS", "task:run:run-0-0"}) == "1"; }));
  world.run_for(Millis{200});
  expect_whole(world, server.url(), 100);
}

TEST_F(RedisAtHand, SurvivesARedisThatIsStoppedAndContinued) {
  world.start_workers(3, 10);
  world.enqueue_many("run-a", 30);
  world.run_until([&] { return world.finished.size() >= 5; });
  server.pause();
  world.enqueue_many("run-b", 30);
  ASSERT_TRUE(run_until_finished(world, 60));
  EXPECT_TRUE(world.run_until([&] { return world.redis->status().problem.has_value(); }));
  // What it had not read yet of the old connection it carries out now.
  server.resume();
  ASSERT_TRUE(world.run_until_well());
  world.enqueue_many("run-c", 30);
  ASSERT_TRUE(run_until_finished(world, 90));
  expect_whole(world, server.url(), 90);
}

TEST_F(RedisAtHand, SurvivesARedisThatIsFull) {
  world.start_workers(3, 10);
  world.enqueue_many("run-a", 30);
  world.run_until([&] { return world.finished.size() >= 5; });
  server.cli({"CONFIG", "SET", "maxmemory", "1"});
  world.enqueue_many("run-b", 30);
  ASSERT_TRUE(run_until_finished(world, 60));
  ASSERT_TRUE(world.run_until([&] { return world.redis->status().problem.has_value(); }));
  EXPECT_EQ(world.redis->status().problem->code, ErrorCode::no_space);
  EXPECT_THAT(world.redis->status().problem->text(), HasSubstr("maxmemory"));
  server.cli({"CONFIG", "SET", "maxmemory", "0"});
  ASSERT_TRUE(world.run_until_well());
  expect_whole(world, server.url(), 60);
}

TEST(RedisBroker, WaitsForARedisThatIsAwayWithoutABusyLoop) {
  RedisServer server;
  server.kill();
  auto options = quick_options();
  options.client.backoff = {Millis{50}, Millis{5'000}};
  BrokerWorld world{server.url(), options};
  std::size_t handlers = 0;
  auto const end = std::chrono::steady_clock::now() + Millis{1'000};
  while (std::chrono::steady_clock::now() < end) {
    world.engine.loop.restart();
    handlers += world.engine.loop.run_one_for(Millis{50});
  }
  EXPECT_LT(handlers, 200U);
  EXPECT_TRUE(world.redis->status().problem);
}

TEST_F(RedisAtHand, AReaderThatFollowsSeesEveryEventOnce) {
  world.start_workers(1, 60);
  world.enqueue("run-a");
  // Follows as any consumer would: from the last id it has seen.
  std::string last = "0";
  std::vector<test::MirroredEvent> seen;
  auto const follow = [&] {
    for (auto const& event :
         mirrored_events(world, *redis::parse_endpoint(server.url()), "run-a")) {
      auto const number = [](std::string const& id) { return std::stoll(id); };
      if (number(event.id) <= number(last)) continue;
      last = event.id;
      seen.push_back(event);
    }
  };
  for (int round = 0; round < 20 && world.finished.empty(); ++round) {
    world.run_for(Millis{5});
    follow();
    if (round == 3) server.cli({"FLUSHALL"});
  }
  ASSERT_TRUE(run_until_finished(world, 1));
  ASSERT_TRUE(world.run_until([&] {
    follow();
    return seen.size() == 60;
  }));
  EXPECT_EQ(seen, test::as_mirrored(world.stored_events("run-a")));
}

TEST(RedisBroker, CopiesWhatWasSaidBeforeItWasThere) {
  RedisServer server;
  server.kill();
  BrokerWorld world{server.url()};
  world.start_workers(2, 700);
  world.enqueue_many("run-a", 2);
  ASSERT_TRUE(run_until_finished(world, 2));
  server.start();
  ASSERT_TRUE(world.run_until_well());
  expect_whole(world, server.url(), 2);
  EXPECT_NE(server.cli({"TTL", "task:run:run-a-0"}), "-1");
}

TEST(RedisBroker, CopiesAlsoWhatItCouldNotKeepInMind) {
  RedisServer server;
  server.kill();
  auto options = quick_options();
  options.mirror.behind_max = 3;
  BrokerWorld world{server.url(), options};
  world.start_workers(2, 3);
  world.enqueue_many("run-a", 20);
  ASSERT_TRUE(run_until_finished(world, 20));
  EXPECT_GE(world.redis->status().streams_behind, 3U);
  server.start();
  ASSERT_TRUE(world.run_until_well());
  expect_whole(world, server.url(), 20);
}

// A worker of another machine: the claimer alone, with the server's answer to begin().
struct RemoteWorker {
  RemoteWorker(BrokerWorld& owner, std::string const& url, ClaimerOptions const& wanted)
      : world(owner),
        client(owner.engine.loop.get_executor(), owner.random, *redis::parse_endpoint(url),
               quick_options().client),
        claimer(
            owner.engine.loop.get_executor(), client, owner.random, [this] { return lanes; },
            wanted) {
    client.start();
    claimer.start();
  }
  RemoteWorker(BrokerWorld& owner, std::string const& url, std::string const& name)
      : RemoteWorker(owner, url, options(name)) {}
  static ClaimerOptions options(std::string const& name) {
    auto wanted = quick_options().claimer;
    wanted.consumer = name;
    return wanted;
  }
  std::optional<RedisClaimer::Held> next(Millis wait) {
    EXPECT_TRUE(world.run_until([&] { return claimer.usable(); }));
    std::optional<RedisClaimer::Held> held;
    bool answered = false;
    world.engine.start([](RemoteWorker& self, Millis time, auto& result, bool& done) -> Task<void> {
      result = co_await self.claimer.next(std::chrono::steady_clock::now() + time);
      done = true;
    }(*this, wait, held, answered));
    EXPECT_TRUE(world.run_until([&] { return answered; }));
    return held;
  }
  Result<std::optional<Claim>> begin(RedisClaimer::Held const& held) {
    ClaimRequest request;
    request.worker = WorkerId::trusted("wrk-remote");
    return world.engine.finish(world.redis->queue().begin(held.offer.offered, request));
  }
  void stop() {
    bool stopped = false;
    world.engine.start([](RemoteWorker& self, bool& done) -> Task<void> {
      co_await self.claimer.stop();
      co_await self.client.stop();
      done = true;
    }(*this, stopped));
    EXPECT_TRUE(world.run_until([&] { return stopped; }));
  }
  BrokerWorld& world;
  std::vector<QueueLane> lanes{{std::string{kType}, std::string{kDefaultPool}}};
  redis::Client client;
  RedisClaimer claimer;
};

// Redis may have answered a read whose connection was closed: then the offer is this worker's, and
// nobody would take it over before it counts as dead.
TEST(RedisClaimer, AnOfferThatWentToAReadThatWasCutIsFound) {
  RedisServer server;
  BrokerWorld world{server.url()};
  ASSERT_TRUE(world.run_until_well());
  auto options = RemoteWorker::options("one");
  options.reclaim_after = Millis{60'000};
  RemoteWorker worker{world, server.url(), options};
  for (int i = 0; i < 40; ++i) {
    std::optional<RedisClaimer::Held> held;
    bool answered = false;
    ASSERT_TRUE(world.run_until([&] { return worker.claimer.usable(); }));
    world.engine.start([](RemoteWorker& self, auto& result, bool& done) -> Task<void> {
      result = co_await self.claimer.next(std::chrono::steady_clock::now() + Millis{10'000});
      done = true;
    }(worker, held, answered));
    world.run_for(Millis{2});
    world.enqueue(fmt::format("run-{}", i));
    // The offer is on its way to Redis, or there.
    world.run_for(Millis{i % 4});
    worker.lanes.push_back({fmt::format("type-{}", i), std::string{kDefaultPool}});
    worker.claimer.lanes_changed();
    ASSERT_TRUE(world.run_until([&] { return answered; }));
    ASSERT_TRUE(held) << "offer " << i;
    auto const begun = worker.begin(*held);
    ASSERT_TRUE(begun && *begun);
    worker.claimer.done(*held);
  }
  worker.stop();
}

TEST(RedisClaimer, TwoWorkersGetEachOfferOnce) {
  RedisServer server;
  BrokerWorld world{server.url()};
  ASSERT_TRUE(world.run_until_well());
  RemoteWorker one{world, server.url(), "one"};
  RemoteWorker two{world, server.url(), "two"};
  world.enqueue_many("run-a", 40);
  std::map<std::string, int> offered;
  std::map<std::string, int> by_worker;
  for (int i = 0; i < 20; ++i)
    for (auto* worker : {&one, &two}) {
      auto const held = worker->next(Millis{5'000});
      ASSERT_TRUE(held);
      ++offered[held->offer.offered.run.str()];
      auto const begun = worker->begin(*held);
      ASSERT_TRUE(begun && *begun);
      ++by_worker[worker == &one ? "one" : "two"];
      worker->claimer.done(*held);
    }
  EXPECT_EQ(offered.size(), 40U);
  EXPECT_EQ(by_worker.size(), 2U);
  EXPECT_FALSE(one.next(Millis{300}));
  one.stop();
  two.stop();
}

TEST(RedisClaimer, AnOfferOfAnEarlierAttemptIsRefused) {
  RedisServer server;
  BrokerWorld world{server.url()};
  ASSERT_TRUE(world.run_until_well());
  RemoteWorker worker{world, server.url(), "one"};
  world.enqueue("run-a");
  auto const held = worker.next(Millis{5'000});
  ASSERT_TRUE(held);
  auto const first = worker.begin(*held);
  ASSERT_TRUE(first && *first);
  // Delivered twice, as after a lost acknowledgement.
  auto const again = worker.begin(*held);
  ASSERT_TRUE(again);
  EXPECT_FALSE(*again);
  ASSERT_TRUE(world.engine.finish(world.engine.writer.run([&](store::Transaction& transaction) {
    return world.queue->release(transaction, **first, Millis{0});
  })));
  auto const late = worker.begin(*held);
  ASSERT_TRUE(late);
  EXPECT_FALSE(*late);
  worker.claimer.done(*held);
  auto const second = worker.next(Millis{5'000});
  ASSERT_TRUE(second);
  auto const begun = worker.begin(*second);
  ASSERT_TRUE(begun && *begun);
  EXPECT_EQ((*begun)->epoch, Epoch{2});
  worker.claimer.done(*second);
  worker.stop();
}

TEST(RedisClaimer, WhatADeadWorkerHoldsIsTakenOver) {
  RedisServer server;
  BrokerWorld world{server.url()};
  ASSERT_TRUE(world.run_until_well());
  world.enqueue("run-a");
  ASSERT_TRUE(world.run_until([&] { return server.cli({"XLEN", kStream}) == "1"; }));
  // It reads the offer, and is never heard of again.
  ASSERT_THAT(server.cli({"XREADGROUP", "GROUP", "agent-workers", "dead", "STREAMS", kStream, ">"}),
              HasSubstr("run-a"));
  RemoteWorker worker{world, server.url(), "alive"};
  auto const held = worker.next(Millis{5'000});
  ASSERT_TRUE(held);
  EXPECT_EQ(held->offer.offered.run.str(), "run-a");
  // Now it is this one's, however long it takes to begin.
  RemoteWorker other{world, server.url(), "other"};
  EXPECT_FALSE(other.next(Millis{900}));
  ASSERT_TRUE(worker.begin(*held));
  worker.claimer.done(*held);
  other.stop();
  worker.stop();
}

TEST(RedisClaimer, GoesByPriorityAndStarvesNoLevel) {
  RedisServer server;
  BrokerWorld world{server.url()};
  ASSERT_TRUE(world.run_until_well());
  for (int i = 0; i < 32; ++i) {
    world.enqueue(fmt::format("critical-{}", i), 10);
    world.enqueue(fmt::format("low-{}", i), -1);
  }
  ASSERT_TRUE(world.run_until([&] { return world.redis->status().offers_out == 64; }));
  RemoteWorker worker{world, server.url(), "one"};
  std::map<PriorityLevel, int> taken;
  for (int i = 0; i < 32; ++i) {
    auto const held = worker.next(Millis{5'000});
    ASSERT_TRUE(held);
    ++taken[held->offer.lane.level];
    auto const begun = worker.begin(*held);
    ASSERT_TRUE(begun && *begun);
    worker.claimer.done(*held);
  }
  EXPECT_GE(taken[PriorityLevel::critical], 28);
  EXPECT_GE(taken[PriorityLevel::low], 2);
  worker.stop();
}

TEST(RedisCheck, TheRightsThatTheDocumentsListSuffice) {
  RedisServer server;
  std::vector<std::string> rights{"ACL", "SETUSER", "drover", "on", ">hunter2", "resetkeys"};
  for (std::string_view const right : split(kRedisRights, ' '))
    rights.emplace_back(right);
  ASSERT_EQ(server.cli(rights), "OK");
  std::string const url = fmt::format("redis://drover:hunter2@127.0.0.1:{}", server.port());
  {
    BrokerWorld world{url};
    auto const checked = world.engine.finish(
        RedisBroker::check(world.engine.loop.get_executor(), *redis::parse_endpoint(url)));
    ASSERT_TRUE(checked) << checked.error().text();
    ASSERT_TRUE(world.run_until_well()) << world.redis->status().problem->text();
    world.start_workers(2, 5);
    world.enqueue_many("run-a", 20);
    ASSERT_TRUE(run_until_finished(world, 20));
    expect_whole(world, url, 20);
    server.cli({"FLUSHALL"});
    world.enqueue_many("run-b", 20);
    ASSERT_TRUE(run_until_finished(world, 40));
    expect_whole(world, url, 40);
  }
  // Nothing was refused on the way.
  EXPECT_EQ(server.cli({"ACL", "LOG"}), "");
}

TEST(RedisCheck, NamesTheRightThatIsMissing) {
  RedisServer server;
  std::vector<std::string> rights{"ACL", "SETUSER", "drover", "on", ">hunter2", "resetkeys"};
  for (std::string_view const right : split(kRedisRights, ' '))
    rights.emplace_back(right);
  rights.emplace_back("-xadd");
  ASSERT_EQ(server.cli(rights), "OK");
  boost::asio::io_context loop;
  auto const endpoint =
      redis::parse_endpoint(fmt::format("redis://drover:hunter2@127.0.0.1:{}", server.port()));
  auto const checked = store::finish(loop, RedisBroker::check(loop.get_executor(), *endpoint));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::forbidden);
  EXPECT_THAT(checked.error().text(), HasSubstr("xadd"));
  EXPECT_THAT(checked.error().text(), HasSubstr("ACL SETUSER"));
  EXPECT_THAT(checked.error().text(), Not(HasSubstr("hunter2")));
}

TEST(RedisBroker, WorksOverTls) {
  RedisServer server{{.tls = true}};
  BrokerWorld world{server.url()};
  ASSERT_TRUE(world.run_until_well());
  world.start_workers(2, 5);
  world.enqueue_many("run-a", 20);
  ASSERT_TRUE(run_until_finished(world, 20));
  expect_whole(world, server.url(), 20);
}

}  // namespace
}  // namespace drover::broker
