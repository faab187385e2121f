#include "broker/embedded_queue.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "broker/fixture.h"

namespace drover::broker {
namespace {

QueueEntry entry(std::string const& run, std::vector<std::string> groups = {}) {
  QueueEntry made;
  made.run = RunId::trusted(run);
  made.task_type = "agent";
  made.pool = "default";
  made.fifo_groups = std::move(groups);
  return made;
}

ClaimRequest request(Millis wait = Millis{0}) {
  ClaimRequest made;
  made.worker = WorkerId::trusted("wrk-1");
  made.wait = wait;
  return made;
}

class Queue : public testing::Test {
 protected:
  store::Scratch scratch;
  ManualClock clock;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<EmbeddedQueue> queue;

  Queue() { open(); }
  ~Queue() override { close(); }
  void open(QueueOptions options = {}) {
    engine = std::make_unique<Engine>(scratch);
    queue = std::make_unique<EmbeddedQueue>(engine->writer, clock, engine->loop.get_executor(),
                                            options);
    if (!engine->finish(queue->load())) throw std::runtime_error("load");
  }
  void close() {
    queue.reset();
    engine.reset();
  }

  // Runs one job of the writer to its end, hooks included.
  template <class Work>
  auto write(Work work) {
    return engine->finish(engine->writer.run(std::move(work)));
  }
  Status enqueue(QueueEntry const& made) {
    return write([this, made](store::Transaction& tx) -> Status {
      auto const done = queue->enqueue(tx, made);
      if (!done) return std::unexpected(done.error());
      return {};
    });
  }
  Status ack(Claim const& claim) {
    return write([this, claim](store::Transaction& tx) { return queue->ack(tx, claim); });
  }
  Status release(Claim const& claim, Millis delay) {
    return write(
        [this, claim, delay](store::Transaction& tx) { return queue->release(tx, claim, delay); });
  }
  CancelOutcome cancel(std::string const& run) {
    return write([this, run](store::Transaction& tx) {
             return queue->cancel(tx, RunId::trusted(run));
           })
        .value();
  }
  std::optional<Claim> claim(ClaimRequest wanted = request()) {
    return engine->finish(queue->claim(std::move(wanted))).value();
  }
  std::string claimed_run() {
    auto const got = claim();
    return got ? got->entry.run.str() : "";
  }
};

TEST_F(Queue, EnqueueClaimAck) {
  ASSERT_TRUE(enqueue(entry("a")));
  auto const got = claim();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->entry.run.str(), "a");
  EXPECT_EQ(got->epoch, Epoch{1});
  EXPECT_EQ(got->lease, "a/1");
  EXPECT_FALSE(claim());
  EXPECT_TRUE(ack(*got));
  EXPECT_EQ(ack(*got).error().code, ErrorCode::conflict);
  EXPECT_EQ(queue->stats().entries, 0U);
}

TEST_F(Queue, RefusesWhatItCannotKeep) {
  ASSERT_TRUE(enqueue(entry("a")));
  EXPECT_EQ(enqueue(entry("a")).error().code, ErrorCode::conflict);
  EXPECT_EQ(enqueue(entry("b", {"two words"})).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(enqueue(entry("b", {"g", "g"})).error().code, ErrorCode::invalid_argument);
  auto no_pool = entry("b");
  no_pool.pool = "";
  EXPECT_EQ(enqueue(no_pool).error().code, ErrorCode::invalid_argument);
  close();
  QueueOptions small;
  small.entries_max = 1;
  small.claimers_max = 0;
  open(small);
  EXPECT_EQ(enqueue(entry("b")).error().code, ErrorCode::unavailable);
  ASSERT_TRUE(claim());
  EXPECT_EQ(engine->finish(queue->claim(request(Millis{50}))).error().code, ErrorCode::unavailable);
}

TEST_F(Queue, AJobThatFailsEnqueuesNothing) {
  auto const failed = write([this](store::Transaction& tx) -> Status {
    if (auto done = queue->enqueue(tx, entry("a")); !done) return std::unexpected(done.error());
    return fail(ErrorCode::invalid_argument, "not after all");
  });
  EXPECT_FALSE(failed);
  EXPECT_FALSE(claim());
  EXPECT_TRUE(enqueue(entry("a")));
  EXPECT_EQ(claimed_run(), "a");
}

TEST_F(Queue, ARestartKeepsOrderAndRaisesEpochs) {
  auto delayed = entry("later");
  delayed.not_before = clock.now() + Millis{1000};
  auto urgent = entry("urgent");
  urgent.priority = 3;
  urgent.keys = {{"key", 1}};
  for (auto const& made : {entry("a", {"ws", "ses"}), entry("b", {"ws"}), delayed, urgent})
    ASSERT_TRUE(enqueue(made));
  auto const first = claim();
  auto const second = claim();
  ASSERT_EQ(first->entry.run.str(), "urgent");
  ASSERT_EQ(second->entry.run.str(), "a");
  ASSERT_TRUE(ack(*first));
  close();
  open();
  EXPECT_EQ(queue->stats().entries, 3U);
  EXPECT_EQ(cancel("later"), CancelOutcome::removed);
  auto const again = claim();
  ASSERT_EQ(again->entry.run.str(), "a") << "still the head of its group";
  EXPECT_EQ(again->epoch, Epoch{2});
  EXPECT_EQ(again->entry.fifo_groups, (std::vector<std::string>{"ws", "ses"}));
  EXPECT_EQ(ack(*second).error().code, ErrorCode::conflict) << "the claim of the dead process";
  EXPECT_EQ(claimed_run(), "");
  EXPECT_TRUE(ack(*again));
  EXPECT_EQ(claimed_run(), "b");
}

struct Got {
  std::vector<std::string> runs;
  std::vector<ErrorCode> errors;
  int empty = 0;
};

Task<void> claim_into(EmbeddedQueue* from, ClaimRequest wanted, Got* got) {
  auto const claim = co_await from->claim(std::move(wanted));
  if (!claim) {
    got->errors.push_back(claim.error().code);
  } else if (*claim) {
    got->runs.push_back((*claim)->entry.run.str());
  } else {
    ++got->empty;
  }
}

TEST_F(Queue, AClaimerWaitsForWork) {
  Got got;
  engine->start(claim_into(queue.get(), request(Millis{5000}), &got));
  engine->start(claim_into(queue.get(), request(Millis{5000}), &got));
  engine->run_for(Millis{20});
  EXPECT_EQ(queue->stats().waiting_claimers, 2U);
  ASSERT_TRUE(enqueue(entry("a", {"g"})));
  ASSERT_TRUE(enqueue(entry("b", {"g"})));
  engine->run_for(Millis{50});
  EXPECT_EQ(got.runs, (std::vector<std::string>{"a"}));
  EXPECT_EQ(cancel("a"), CancelOutcome::claimed);
  Claim first;
  first.entry = entry("a");
  first.epoch = Epoch{1};
  ASSERT_TRUE(ack(first));
  engine->run_for(Millis{50});
  EXPECT_EQ(got.runs, (std::vector<std::string>{"a", "b"}));
}

TEST_F(Queue, AClaimerGivesUpAfterItsWait) {
  auto const started = std::chrono::steady_clock::now();
  EXPECT_FALSE(claim(request(Millis{60})));
  EXPECT_GE(std::chrono::steady_clock::now() - started, Millis{60});
  EXPECT_EQ(queue->stats().waiting_claimers, 0U);
}

TEST_F(Queue, StopEndsAWaitingClaim) {
  Got got;
  engine->start(claim_into(queue.get(), request(Millis{5000}), &got));
  engine->run_for(Millis{20});
  queue->stop();
  engine->run_for(Millis{20});
  EXPECT_EQ(got.errors, (std::vector{ErrorCode::unavailable}));
}

TEST_F(Queue, ACancelledClaimGivesItsEntryBack) {
  Got got;
  boost::asio::cancellation_signal cancel_it;
  boost::asio::co_spawn(
      engine->loop, claim_into(queue.get(), request(Millis{5000}), &got),
      boost::asio::bind_cancellation_slot(cancel_it.slot(), [](std::exception_ptr const&) {}));
  engine->run_for(Millis{20});
  cancel_it.emit(boost::asio::cancellation_type::terminal);
  engine->run_for(Millis{20});
  EXPECT_EQ(got.errors, (std::vector{ErrorCode::cancelled}));
  EXPECT_EQ(queue->stats().waiting_claimers, 0U);
  ASSERT_TRUE(enqueue(entry("a")));
  EXPECT_EQ(claimed_run(), "a");
}

TEST_F(Queue, AnExpiredLeaseIsFenced) {
  std::vector<std::string> expired;
  queue->on_expired([&](ExpiredLease const& lease) { expired.push_back(lease.run.str()); });
  ASSERT_TRUE(enqueue(entry("a")));
  auto const old = claim();
  ASSERT_TRUE(old);
  EXPECT_TRUE(queue->renew(*old, Millis{1000}));
  EXPECT_EQ(cancel("a"), CancelOutcome::claimed);
  clock.advance(Millis{1000});
  queue->tick();
  EXPECT_EQ(expired, (std::vector<std::string>{"a"}));
  EXPECT_EQ(queue->renew(*old, Millis{1000}).error().code, ErrorCode::conflict);
  auto const newer = claim();
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->epoch, Epoch{2});
  for (auto const& refused : {ack(*old), release(*old, Millis{0})}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    EXPECT_NE(refused.error().message.find("fenced"), std::string::npos);
  }
  EXPECT_TRUE(ack(*newer));
}

// Five seconds in one sync on a lease of one: renewing needs no disk.
TEST_F(Queue, ALeaseIsKeptWhileTheDiskTakesLongerThanIt) {
  std::vector<std::string> expired;
  queue->on_expired([&](ExpiredLease const& lease) { expired.push_back(lease.run.str()); });
  ASSERT_TRUE(enqueue(entry("a")));
  auto wanted = request();
  wanted.lease = Millis{1000};
  auto const held = claim(std::move(wanted));
  ASSERT_TRUE(held);
  std::promise<void> synced;
  bool written = false;
  auto job = [this, &synced, claim = *held](store::Transaction& tx) {
    synced.get_future().wait();
    return queue->ack(tx, claim);
  };
  boost::asio::co_spawn(
      engine->loop, engine->writer.run(std::move(job)),
      [&](std::exception_ptr const&, Status const& done) { written = done.has_value(); });
  for (int i = 0; i < 10; ++i) {
    engine->run_for(Millis{1});
    clock.advance(Millis{500});
    EXPECT_TRUE(queue->renew(*held, Millis{1000}));
    queue->tick();
  }
  EXPECT_FALSE(written);
  synced.set_value();
  engine->loop.restart();
  while (!written && engine->loop.run_one() > 0) {
  }
  EXPECT_TRUE(written);
  EXPECT_TRUE(expired.empty());
}

TEST_F(Queue, ARunWhoseLeaseExpiredCanBeCancelled) {
  ASSERT_TRUE(enqueue(entry("a")));
  ASSERT_TRUE(claim());
  clock.advance(std::chrono::hours{1});
  queue->tick();
  engine->run_for(Millis{50});
  EXPECT_EQ(cancel("a"), CancelOutcome::removed);
  EXPECT_EQ(cancel("a"), CancelOutcome::absent);
  EXPECT_FALSE(claim());
}

TEST_F(Queue, ReleasePutsItBackAfterTheDelay) {
  ASSERT_TRUE(enqueue(entry("a")));
  auto const got = claim();
  ASSERT_TRUE(release(*got, Millis{500}));
  EXPECT_EQ(release(*got, Millis{0}).error().code, ErrorCode::conflict)
      << "only a claim can be released";
  EXPECT_EQ(ack(*got).error().code, ErrorCode::conflict) << "and it waits to be tried again";
  EXPECT_FALSE(claim());
  clock.advance(Millis{500});
  auto const again = claim();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->epoch, Epoch{2});
}

TEST_F(Queue, ItsOwnTimerWakesADelayedEntry) {
  SystemClock real;
  queue = std::make_unique<EmbeddedQueue>(engine->writer, real, engine->loop.get_executor());
  ASSERT_TRUE(engine->finish(queue->load()));
  auto delayed = entry("a");
  delayed.not_before = real.now() + Millis{60};
  ASSERT_TRUE(enqueue(delayed));
  EXPECT_FALSE(claim());
  EXPECT_TRUE(claim(request(Millis{5000})));
}

TEST_F(Queue, TheClaimAndWhatHappensWithinAreOne) {
  ASSERT_TRUE(write([](store::Transaction& tx) -> Status {
    return tx.db().execute("CREATE TABLE runs(id TEXT, epoch INTEGER)");
  }));
  ASSERT_TRUE(enqueue(entry("a")));
  auto broken = request();
  broken.within = [](store::Transaction& tx, Claim const& got) -> Status {
    auto done = tx.db().run("INSERT INTO runs VALUES(?, 0)", got.entry.run.str());
    if (!done) return done;
    return fail(ErrorCode::budget_exhausted, "no money");
  };
  EXPECT_EQ(engine->finish(queue->claim(broken)).error().code, ErrorCode::budget_exhausted);
  auto whole = request();
  whole.within = [](store::Transaction& tx, Claim const& got) -> Status {
    return tx.db().run("INSERT INTO runs VALUES(?, ?)", got.entry.run.str(),
                       static_cast<std::int64_t>(got.epoch));
  };
  auto const got = claim(whole);
  ASSERT_TRUE(got);
  auto const recorded =
      engine->readers.run_blocking([](store::Database& db) -> Result<std::int64_t> {
        return store::read_integer(db, "SELECT sum(epoch) FROM runs");
      });
  EXPECT_EQ(recorded.value(), static_cast<std::int64_t>(got->epoch));
  EXPECT_TRUE(ack(*got));
}

struct Work {
  std::set<std::string> busy_groups;
  std::map<std::string, std::vector<int>> done_by_group;
  std::map<std::string, std::int64_t> epochs;
  int done = 0;
  int total = 0;
  bool broken = false;
};

Task<void> work(EmbeddedQueue* queue, store::Writer* writer, Work* all, std::uint32_t seed) {
  std::mt19937 random{seed};
  while (all->done < all->total && !all->broken) {
    auto got = co_await queue->claim(request(Millis{200}));
    if (!got) {
      all->broken = true;
      co_return;
    }
    if (!*got) continue;
    Claim const claim = std::move(**got);
    auto& epoch = all->epochs[claim.entry.run.str()];
    all->broken = all->broken || static_cast<std::int64_t>(claim.epoch) <= epoch;
    epoch = static_cast<std::int64_t>(claim.epoch);
    for (auto const& group : claim.entry.fifo_groups)
      all->broken = !all->busy_groups.insert(group).second || all->broken;
    bool const again = random() % 8 == 0;
    auto finish = [queue, claim, again, all](store::Transaction& tx) -> Status {
      // Free for the next at the commit, which its own claim must come after.
      tx.on_commit([claim, all] {
        for (auto const& group : claim.entry.fifo_groups)
          all->busy_groups.erase(group);
      });
      return again ? queue->release(tx, claim, Millis{0}) : queue->ack(tx, claim);
    };
    auto const finished = co_await writer->run(std::move(finish));
    all->broken = all->broken || !finished;
    if (again) continue;
    ++all->done;
    for (auto const& group : claim.entry.fifo_groups)
      all->done_by_group[group].push_back(std::stoi(claim.entry.run.str().substr(4)));
  }
}

TEST_F(Queue, ManyWorkersKeepGroupsApartAndInOrder) {
  std::mt19937 random{42};
  Work all;
  all.total = 400;
  std::map<std::string, std::vector<int>> wanted;
  ASSERT_TRUE(write([&](store::Transaction& tx) -> Status {
    for (int number = 0; number < all.total; ++number) {
      auto made = entry("run-" + std::to_string(number));
      for (std::string const group : {"w0", "w1", "w2", "w3", "w4"}) {
        if (random() % 4 != 0) continue;
        made.fifo_groups.push_back(group);
        wanted[group].push_back(number);
      }
      made.priority = static_cast<std::int64_t>(random() % 3);
      if (auto done = queue->enqueue(tx, made); !done) return std::unexpected(done.error());
    }
    return {};
  }));
  for (std::uint32_t worker = 0; worker < 16; ++worker)
    engine->start(work(queue.get(), &engine->writer, &all, worker));
  auto const deadline = std::chrono::steady_clock::now() + store::kTestDeadline;
  while (all.done < all.total && !all.broken && std::chrono::steady_clock::now() < deadline)
    engine->run_for(Millis{10});
  EXPECT_FALSE(all.broken);
  EXPECT_EQ(all.done, all.total);
  EXPECT_EQ(all.done_by_group, wanted);
  engine->run_for(Millis{250});
  EXPECT_EQ(queue->stats().entries, 0U);
}

Task<void> cycle(EmbeddedQueue* queue, store::Writer* writer, std::string prefix, int count,
                 int* running) {
  for (int number = 0; number < count; ++number) {
    auto put = [queue, made = entry(prefix + std::to_string(number))](store::Transaction& tx) {
      return queue->enqueue(tx, made);
    };
    auto const enqueued = co_await writer->run(std::move(put));
    EXPECT_TRUE(enqueued);
    auto const got = co_await queue->claim(request(Millis{1000}));
    EXPECT_TRUE(got && *got);
    auto finish = [queue, claim = **got](store::Transaction& tx) { return queue->ack(tx, claim); };
    auto const acked = co_await writer->run(std::move(finish));
    EXPECT_TRUE(acked);
  }
  --*running;
}

// A measurement, for people.
TEST_F(Queue, DISABLED_MeasureEnqueueClaimAck) {
  for (int const clients : {1, 16, 64}) {
    close();
    open();
    int running = clients;
    int const each = clients == 1 ? 300 : 6400 / clients;
    for (int client = 0; client < clients; ++client)
      engine->start(
          cycle(queue.get(), &engine->writer, "c" + std::to_string(client) + "-", each, &running));
    auto const before = engine->writer.stats();
    auto const started = std::chrono::steady_clock::now();
    engine->loop.restart();
    while (running > 0 && engine->loop.run_one() > 0) {
    }
    ASSERT_EQ(running, 0);
    double const seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    auto const after = engine->writer.stats();
    double const runs = static_cast<double>(clients) * each;
    std::printf(
        "%3d clients: %6.0f runs/s enqueued, claimed and acknowledged; %.0f us a run; "
        "%.1f writes a commit\n",
        clients, runs / seconds, seconds * 1e6 * clients / runs,
        static_cast<double>(after.jobs - before.jobs) /
            static_cast<double>(after.commits - before.commits));
  }
}

}  // namespace
}  // namespace drover::broker
