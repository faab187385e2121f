// The embedded queue beyond claim and acknowledge: retries, dead letters, deduplication, pauses,
// batches, and what of it a restart finds.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "broker/embedded_queue.h"
#include "broker/fixture.h"
#include "broker/queue_rows.h"

namespace drover::broker {
namespace {

QueueEntry entry(std::string const& run) {
  QueueEntry made;
  made.run = RunId::trusted(run);
  made.task_type = "agent";
  made.pool = "default";
  return made;
}

class QueueLife : public testing::Test {
 protected:
  store::Scratch scratch;
  ManualClock clock;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<EmbeddedQueue> queue;
  std::vector<std::string> exits;

  QueueLife() { open(); }
  ~QueueLife() override { close(); }
  void open(QueueOptions const& options = {}) {
    engine = std::make_unique<Engine>(scratch);
    queue = std::make_unique<EmbeddedQueue>(engine->writer, clock, engine->loop.get_executor(),
                                            options);
    queue->on_exit([this](store::Transaction&, QueueExit const& exit) -> Status {
      bool const expired = exit.kind == QueueExit::Kind::expired;
      exits.push_back(exit.entry.run.str() + (expired ? " expired" : " dead"));
      return {};
    });
    if (!engine->finish(queue->load())) throw std::runtime_error("load");
  }
  void close() {
    queue.reset();
    engine.reset();
  }
  void restart() {
    close();
    open();
  }

  template <class Work>
  auto write(Work work) {
    return engine->finish(engine->writer.run(std::move(work)));
  }
  Result<std::vector<Enqueued>> enqueue(std::vector<QueueEntry> entries) {
    return write(
        [this, entries](store::Transaction& tx) { return queue->enqueue_many(tx, entries); });
  }
  std::vector<Claim> claim(std::size_t most = 1) {
    ClaimRequest request;
    request.worker = WorkerId::trusted("wrk-1");
    request.lease = Millis{1000};
    return engine->finish(queue->claim_many(request, most)).value();
  }
  std::string claimed_run() {
    auto const got = claim();
    return got.empty() ? "" : got.front().entry.run.str();
  }
  Result<std::optional<Millis>> fail_it(Claim const& claim,
                                        std::optional<Millis> after = std::nullopt) {
    return write([this, claim, after](store::Transaction& tx) {
      return queue->retry(tx, claim, {.detail = "broken", .retry_after = after, .random = 0});
    });
  }
  std::vector<DeadLetter> dead() {
    return engine
        ->finish(engine->readers.run(
            [](store::Database& database) { return read_dead_letters(database, {}); }))
        .value();
  }
};

TEST_F(QueueLife, AFailedRunIsTriedAgainUntilItsAttemptsAreUsedUp) {
  auto made = entry("a");
  made.retry.attempts_max = 3;
  made.retry.backoff = Backoff::fixed;
  made.retry.delay = Millis{500};
  made.retry.jitter = Jitter::none;
  ASSERT_TRUE(enqueue({made}));
  EXPECT_EQ(fail_it(claim().at(0)).value(), Millis{500});
  EXPECT_EQ(claimed_run(), "");
  restart();
  EXPECT_EQ(claimed_run(), "") << "the delay is stored";
  clock.advance(Millis{500});
  EXPECT_EQ(fail_it(claim().at(0), Millis{40}).value(), Millis{40});
  clock.advance(Millis{40});
  auto const last = claim().at(0);
  EXPECT_EQ(last.entry.failed, 2);
  EXPECT_EQ(fail_it(last).value(), std::nullopt);
  EXPECT_EQ(fail_it(last).error().code, ErrorCode::conflict);
  EXPECT_EQ(queue->stats().entries, 0U);
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].entry.run.str(), "a");
  EXPECT_EQ(dead()[0].reason, DeadReason::attempts);
  EXPECT_EQ(dead()[0].detail, "broken");
  EXPECT_EQ(dead()[0].entry.failed, 3);
  EXPECT_TRUE(exits.empty()) << "its worker knows";
}

TEST_F(QueueLife, AReplayedDeadLetterHasAllAttemptsAndAHigherEpoch) {
  auto made = entry("a");
  made.retry.attempts_max = 1;
  made.keys = {{"api", 2}, {"db", 1}};
  made.tenant = "me";
  ASSERT_TRUE(enqueue({made}));
  ASSERT_TRUE(fail_it(claim().at(0)));
  restart();
  auto const replay = [this](store::Transaction& tx) {
    return queue->replay(tx, RunId::trusted("a"));
  };
  ASSERT_TRUE(write(replay));
  EXPECT_EQ(write(replay).error().code, ErrorCode::not_found);
  EXPECT_TRUE(dead().empty());
  auto const again = claim().at(0);
  EXPECT_EQ(again.epoch, Epoch{2});
  EXPECT_EQ(again.entry.failed, 0);
  EXPECT_EQ(again.entry.keys, made.keys);
  EXPECT_EQ(again.entry.tenant, "me");
  EXPECT_EQ(again.entry.retry, made.retry);
}

TEST_F(QueueLife, ARunThatKeepsLosingItsWorkerIsPoison) {
  auto made = entry("a");
  made.lost_max = 2;
  ASSERT_TRUE(enqueue({made}));
  ASSERT_EQ(claimed_run(), "a");
  clock.advance(Millis{1000});
  queue->tick();
  engine->run_for(Millis{30});
  restart();
  auto const second = claim().at(0);
  EXPECT_EQ(second.entry.lost, 1) << "the count is stored";
  clock.advance(Millis{1000});
  queue->tick();
  engine->run_for(Millis{30});
  EXPECT_EQ(exits, (std::vector<std::string>{"a dead"}));
  EXPECT_EQ(claimed_run(), "");
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].reason, DeadReason::poison);
  EXPECT_EQ(fail_it(second).error().code, ErrorCode::conflict) << "the dead worker's claim";
}

TEST_F(QueueLife, ARestartOfTheServerIsNotTheRunsFault) {
  ASSERT_TRUE(enqueue({entry("a")}));
  for (int start = 0; start < 8; ++start) {
    EXPECT_EQ(claimed_run(), "a");
    restart();
  }
  EXPECT_TRUE(dead().empty());
}

TEST_F(QueueLife, AnEntryThatNobodyTookInTimeLeavesAndItsHandlerIsTold) {
  auto made = entry("a");
  made.expires_at = clock.now() + Millis{100};
  ASSERT_TRUE(enqueue({made, entry("b")}));
  restart();
  clock.advance(Millis{100});
  queue->tick();
  EXPECT_EQ(claimed_run(), "b");
  engine->run_for(Millis{30});
  EXPECT_EQ(exits, (std::vector<std::string>{"a expired"}));
  restart();
  EXPECT_EQ(queue->stats().entries, 1U);
}

TEST_F(QueueLife, ADuplicateIsToldTheFirstRun) {
  auto first = entry("a");
  first.dedup_key = "nightly";
  first.dedup_life = Millis{1000};
  auto second = first;
  second.run = RunId::trusted("b");
  ASSERT_TRUE(enqueue({first}));
  ASSERT_TRUE(fail_it(claim().at(0)));
  restart();
  clock.advance(Millis{999});
  auto const duplicate = enqueue({second}).value().at(0);
  EXPECT_FALSE(duplicate.added);
  EXPECT_EQ(duplicate.run.str(), "a");
  EXPECT_EQ(queue->stats().entries, 1U);
  clock.advance(Millis{1});
  EXPECT_TRUE(enqueue({second}).value().at(0).added);
}

TEST_F(QueueLife, ABatchIsEnqueuedAsAWholeOrNotAtAll) {
  EXPECT_EQ(enqueue({entry("a"), entry("b"), entry("a")}).error().code, ErrorCode::conflict);
  EXPECT_EQ(enqueue({entry("a"), entry("two words")}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(queue->stats().entries, 0U);
  ASSERT_TRUE(enqueue({entry("a"), entry("b"), entry("c")}));
  EXPECT_EQ(queue->stats().entries, 3U);
}

TEST_F(QueueLife, ABatchIsClaimedAndAcknowledgedAsOne) {
  ASSERT_TRUE(enqueue({entry("a"), entry("b"), entry("c")}));
  auto claims = claim(2);
  ASSERT_EQ(claims.size(), 2U);
  EXPECT_EQ(claim(5).size(), 1U);
  auto const ack = [&] {
    return write([this, claims](store::Transaction& tx) { return queue->ack_many(tx, claims); });
  };
  claims[0].epoch = Epoch{7};
  EXPECT_EQ(ack().value(), (std::vector<RunId>{claims[0].entry.run})) << "of another epoch";
  EXPECT_EQ(queue->stats().entries, 2U);
  restart();
  EXPECT_EQ(claim(5).size(), 2U);
}

TEST_F(QueueLife, APauseSurvivesARestart) {
  ASSERT_TRUE(enqueue({entry("a")}));
  auto const name = QueueName::parse("type:agent").value();
  ASSERT_TRUE(write([&](store::Transaction& tx) { return queue->pause(tx, name); }));
  EXPECT_EQ(claimed_run(), "");
  restart();
  EXPECT_EQ(claimed_run(), "");
  EXPECT_EQ(queue->paused(), (std::vector<QueueName>{name}));
  EXPECT_TRUE(queue->tallies().at(0).paused);
  ASSERT_TRUE(write([&](store::Transaction& tx) { return queue->resume(tx, name); }));
  EXPECT_EQ(claimed_run(), "a");
}

TEST_F(QueueLife, AQueueMayStartPaused) {
  ASSERT_TRUE(enqueue({entry("a")}));
  close();
  QueueOptions paused;
  paused.start = QueueStart::paused;
  open(paused);
  EXPECT_EQ(claimed_run(), "");
  auto const all = QueueName::parse("all").value();
  ASSERT_TRUE(write([&](store::Transaction& tx) { return queue->resume(tx, all); }));
  EXPECT_EQ(claimed_run(), "a");
}

TEST_F(QueueLife, RunNowSkipsADelay) {
  auto delayed = entry("a");
  delayed.not_before = clock.now() + Millis{60'000};
  ASSERT_TRUE(enqueue({delayed}));
  EXPECT_EQ(claimed_run(), "");
  auto const run_now = [this] {
    return write(
        [this](store::Transaction& tx) { return queue->run_now(tx, RunId::trusted("a")); });
  };
  ASSERT_TRUE(run_now());
  EXPECT_EQ(claimed_run(), "a");
  EXPECT_EQ(run_now().error().code, ErrorCode::conflict);
}

TEST_F(QueueLife, ALimitedClaimerIsWokenByTheTokenItself) {
  SystemClock real;
  QueueOptions options;
  options.limits.global.rate = RateLimit{.count = 20, .period = Millis{1000}, .burst = 1};
  queue =
      std::make_unique<EmbeddedQueue>(engine->writer, real, engine->loop.get_executor(), options);
  ASSERT_TRUE(engine->finish(queue->load()));
  ASSERT_TRUE(enqueue({entry("a")}));
  ClaimRequest request;
  request.worker = WorkerId::trusted("wrk-1");
  request.wait = Millis{5000};
  auto const started = std::chrono::steady_clock::now();
  EXPECT_EQ(engine->finish(queue->claim_many(request, 1)).value().size(), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - started, Millis{3000});
}

Task<void> take_one(EmbeddedQueue* from, std::vector<std::string>* got) {
  ClaimRequest request;
  request.worker = WorkerId::trusted("wrk-1");
  request.wait = Millis{5000};
  auto const claims = co_await from->claim_many(std::move(request), 1);
  if (!claims) co_return;
  for (Claim const& claim : *claims)
    got->push_back(claim.entry.run.str());
}

TEST_F(QueueLife, AWaitingClaimSharesTheSyncOfWhatItWaitedFor) {
  int together = 0;
  std::vector<std::string> got;
  for (std::size_t i = 0; i < 20; ++i) {
    engine->start(take_one(queue.get(), &got));
    engine->run_for(Millis{2});
    ASSERT_EQ(queue->stats().waiting_claimers, 1U);
    auto const before = engine->writer.stats().commits;
    ASSERT_TRUE(enqueue({entry("run-" + std::to_string(i))}));
    auto const deadline = std::chrono::steady_clock::now() + store::kTestDeadline;
    while (got.size() <= i && std::chrono::steady_clock::now() < deadline)
      engine->run_for(Millis{2});
    ASSERT_EQ(got.size(), i + 1);
    if (engine->writer.stats().commits == before + 1) ++together;
  }
  // A busy machine may be too slow for it now and then.
  EXPECT_GT(together, 0);
}

TEST_F(QueueLife, AClaimOfWhatWasNeverCommittedIsNone) {
  std::vector<std::string> got;
  engine->start(take_one(queue.get(), &got));
  engine->run_for(Millis{2});
  auto const broken = write([this](store::Transaction& tx) -> Status {
    auto const done = queue->enqueue(tx, entry("a"));
    if (!done) return std::unexpected(done.error());
    return fail(ErrorCode::invalid_argument, "not after all");
  });
  EXPECT_FALSE(broken);
  engine->run_for(Millis{20});
  EXPECT_TRUE(got.empty());
  EXPECT_EQ(queue->stats().entries, 0U);
  ASSERT_TRUE(enqueue({entry("b")}));
  engine->run_for(Millis{20});
  EXPECT_EQ(got, (std::vector<std::string>{"b"}));
}

TEST(QueueSchema, AnOldFileKeepsItsEntries) {
  store::Scratch const scratch;
  {
    auto old = scratch.open();
    ASSERT_TRUE(store::migrate(old, migrations().first(1)));
    ASSERT_TRUE(old.run(
        "INSERT INTO dispatch_queue(run, task_type, pool, priority, fifo_groups, concurrency_key,"
        " concurrency_max, not_before_ms, enqueued_at_ms, epoch)"
        " VALUES('run-1', 'agent', 'gpu', 3, 'g1', 'api', 4, 5, 6, 7),"
        " ('run-2', 'agent', 'gpu', 0, '', '', 1, 5, 6, 0)"));
  }
  auto database = open_migrated(scratch);
  auto const rows = read_queue(database);
  ASSERT_TRUE(rows) << rows.error().text();
  ASSERT_EQ(rows->size(), 2U);
  QueueEntry const& first = rows->front().entry;
  EXPECT_EQ(first.keys, (std::vector<ConcurrencyKey>{{"api", 4}}));
  EXPECT_EQ(first.fifo_groups, (std::vector<std::string>{"g1"}));
  EXPECT_EQ(first.epoch, Epoch{7});
  EXPECT_EQ(first.retry, RetryPolicy{});
  EXPECT_FALSE(first.expires_at);
  EXPECT_TRUE(rows->back().entry.keys.empty());
}

}  // namespace
}  // namespace drover::broker
