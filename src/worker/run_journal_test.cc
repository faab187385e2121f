#include "worker/run_journal.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "broker/embedded_queue.h"
#include "broker/embedded_streams.h"
#include "broker/fixture.h"
#include "worker/run_store.h"

namespace drover::worker {
namespace {

using contract::RunReason;
using contract::RunState;

// The real store, streams and queue, and one run that was dispatched.
class RunJournal : public testing::Test {
 protected:
  template <class Work>
  auto write(Work work) {
    return store::finish(loop, writer->run(std::move(work)));
  }

  RunJournal() {
    {
      auto database = scratch.open();
      std::vector<store::Migration> all{broker::migrations().begin(), broker::migrations().end()};
      for (auto const& one : run_migrations())
        all.push_back(one);
      if (!store::migrate(database, all)) throw std::runtime_error("migrate");
    }
    writer = std::make_unique<store::Writer>(scratch.open(), loop.get_executor());
    readers = std::make_unique<store::Readers>(scratch.path(), pool);
    streams =
        std::make_unique<broker::EmbeddedStreams>(*writer, *readers, clock, loop.get_executor());
    queue = std::make_unique<broker::EmbeddedQueue>(*writer, clock, loop.get_executor());
    if (!store::finish(loop, queue->load())) throw std::runtime_error("load");
    NewRun fresh;
    fresh.new_session = true;
    fresh.session.id = SessionId::trusted("ses-1");
    fresh.run.id = id;
    fresh.run.session = fresh.session.id;
    fresh.run.created_at = clock.now();
    fresh.entry.run = id;
    fresh.entry.task_type = "agent";
    fresh.entry.pool = "default";
    if (!write([&](store::Transaction& transaction) {
          return record_new_run(transaction, *streams, *queue, fresh);
        }))
      throw std::runtime_error("dispatch");
  }

  broker::Claim claim() {
    broker::ClaimRequest request;
    request.worker = WorkerId::trusted("wrk-1");
    request.lease = Millis{1'000};
    request.within = [this](store::Transaction& transaction, broker::Claim const& claim) {
      return begin_attempt(transaction, *streams, claim, clock.now());
    };
    auto claimed = store::finish(loop, queue->claim(std::move(request)));
    if (!claimed || !*claimed) throw std::runtime_error("claim");
    return **claimed;
  }

  Result<RunRecord> find() {
    return readers->run_blocking([&](store::Database& database) { return find_run(database, id); });
  }

  RunId const id = RunId::trusted("run-1");
  store::Scratch scratch;
  ManualClock clock;
  boost::asio::io_context loop;
  os::BlockingPool pool{1};
  std::unique_ptr<store::Writer> writer;
  std::unique_ptr<store::Readers> readers;
  std::unique_ptr<broker::EmbeddedStreams> streams;
  std::unique_ptr<broker::EmbeddedQueue> queue;
};

TEST_F(RunJournal, WhatTheUnitOfASupersededAttemptSaysIsRefused) {
  claim();
  auto const first = find();
  ASSERT_TRUE(first);
  auto const say = [&](RunRecord const& run) {
    return write([&](store::Transaction& transaction) {
      return append_unit_events(transaction, *streams, run, {{"text", "{}"}});
    });
  };
  EXPECT_TRUE(say(*first));
  clock.advance(Millis{1'001});
  queue->tick();
  claim();
  auto const late = say(*first);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::conflict);
  EXPECT_TRUE(say(*find()));
}

TEST_F(RunJournal, ARunThatWasPutBackCanStillBeCancelled) {
  auto const claimed = claim();
  auto run = find();
  ASSERT_TRUE(run);
  run->state = RunState::queued;
  run->reason = RunReason::interrupted;
  run->attempts = 0;  // it had not begun
  ASSERT_TRUE(write([&](store::Transaction& transaction) {
    return put_back_run(transaction, *streams, *queue, claimed, *run, RunState::claimed, {},
                        std::nullopt, Millis{0});
  }));
  auto const cancelled = write([&](store::Transaction& transaction) {
    return cancel_run(transaction, *streams, *queue, id, clock.now());
  });
  ASSERT_TRUE(cancelled) << cancelled.error().text();
  EXPECT_EQ(*cancelled, broker::CancelOutcome::removed);
  EXPECT_EQ(find()->state, RunState::cancelled);
}

// Its changes are in the tree, and only a worker can take them back.
TEST_F(RunJournal, ARunThatWasTriedIsCancelledByTheNextWorkerAtOnce) {
  auto const claimed = claim();
  auto run = find();
  ASSERT_TRUE(run);
  run->state = RunState::queued;
  run->reason = RunReason::lost;
  ASSERT_TRUE(write([&](store::Transaction& transaction) {
    return put_back_run(transaction, *streams, *queue, claimed, *run, RunState::claimed, {},
                        broker::Failure{"lost", std::chrono::hours{1}, 0}, Millis{0});
  }));
  auto const cancelled = write([&](store::Transaction& transaction) {
    return cancel_run(transaction, *streams, *queue, id, clock.now());
  });
  ASSERT_TRUE(cancelled) << cancelled.error().text();
  EXPECT_EQ(*cancelled, broker::CancelOutcome::claimed);
  EXPECT_EQ(find()->state, RunState::queued);
  EXPECT_EQ(claim().entry.run, id) << "its delay is over";
  EXPECT_TRUE(find()->cancel_requested);
}

// The server died while a call was under way: it is billed, and nobody will know for how much.
TEST_F(RunJournal, WhatACallMayCostIsSpentOnceNobodyWaitsForIt) {
  claim();
  auto run = find();
  ASSERT_TRUE(run);
  auto const spend = [&](std::int64_t cost, std::int64_t reserved) {
    run->cost_microdollars = cost;
    run->reserved_microdollars = reserved;
    return write([&](store::Transaction& transaction) {
      return record_spend(transaction, *streams, *run, {});
    });
  };
  ASSERT_TRUE(spend(0, 500));
  ASSERT_TRUE(spend(120, 0));
  ASSERT_TRUE(spend(120, 700));
  clock.advance(Millis{1'001});
  queue->tick();
  auto const second = claim();
  auto again = find();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->cost_microdollars, 820);
  EXPECT_EQ(again->reserved_microdollars, 0);
  auto const late = spend(130, 0);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::conflict);

  again->reserved_microdollars = 80;
  again->state = RunState::failed;
  again->reason = RunReason::timeout;
  again->finished_at = clock.now();
  SessionRecord session;
  session.id = again->session;
  ASSERT_TRUE(write([&](store::Transaction& transaction) {
    return end_claimed_run(transaction, *streams, *queue, second, *again, session,
                           RunState::claimed, {}, clock.now());
  }));
  EXPECT_EQ(find()->cost_microdollars, 900);
}

// A call may end when its turn has ended and the change is being governed.
TEST_F(RunJournal, ALateCallChangesNothingButWhatWasSpent) {
  claim();
  auto run = find();
  ASSERT_TRUE(run);
  RunRecord turn = *run;
  turn.state = RunState::running;
  run->state = RunState::committing;
  run->reason = RunReason::timeout;
  ASSERT_TRUE(write([&](store::Transaction& transaction) {
    return write_run(transaction, *streams, *run, RunState::claimed);
  }));
  turn.cost_microdollars = 40;
  turn.turns = 3;
  ASSERT_TRUE(write([&](store::Transaction& transaction) {
    return record_spend(transaction, *streams, turn, {});
  }));
  auto const after = find();
  ASSERT_TRUE(after);
  EXPECT_EQ(after->state, RunState::committing);
  EXPECT_EQ(after->reason, RunReason::timeout);
  EXPECT_EQ(after->cost_microdollars, 40);
  EXPECT_EQ(after->turns, 3);
}

// Between its dispatch and each step of its life.
TEST_F(RunJournal, ARunStaysReadableWhenTheClockIsSetBack) {
  clock.set_wall(clock.now() - std::chrono::hours{1});
  auto const claimed = claim();
  auto run = find();
  ASSERT_TRUE(run) << run.error().text();
  EXPECT_EQ(run->phases.queue_ms, 0);
  run->state = RunState::queued;
  run->reason = RunReason::interrupted;
  run->attempts = 0;
  ASSERT_TRUE(write([&](store::Transaction& transaction) {
    return put_back_run(transaction, *streams, *queue, claimed, *run, RunState::claimed, {},
                        std::nullopt, Millis{0});
  }));
  ASSERT_TRUE(write([&](store::Transaction& transaction) {
    return cancel_run(transaction, *streams, *queue, id, clock.now());
  }));
  run = find();
  ASSERT_TRUE(run) << run.error().text();
  EXPECT_EQ(run->state, RunState::cancelled);
  EXPECT_EQ(run->phases.total_ms, 0);
}

}  // namespace
}  // namespace drover::worker
