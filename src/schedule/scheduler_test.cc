#include "schedule/scheduler.h"

#include <gtest/gtest.h>

#include "schedule/fixture.h"

namespace drover::schedule {
namespace {

using contract::RunState;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

std::vector<FiringState> states(std::vector<FiringRecord> const& firings) {
  std::vector<FiringState> found;
  for (auto const& firing : firings)
    found.push_back(firing.state);
  return found;
}

using States = std::vector<FiringState>;

class SchedulerTest : public ::testing::Test {
 protected:
  store::Scratch scratch;
  ManualClock clock;  // 2026-01-01T00:00:00Z
  TestRuns runs;
  std::unique_ptr<Engine> engine;

  void boot(SchedulerOptions options = {}) {
    engine = std::make_unique<Engine>(scratch, clock, runs, options);
    engine->start();
  }
  void crash() { kill(std::move(engine)); }
  void TearDown() override {
    if (engine) crash();
  }
  void advance(Nanos time) {
    clock.advance(time);
    engine->settle();
  }
  RunId run(int number) { return RunId::trusted("run-" + std::to_string(number)); }
};

TEST_F(SchedulerTest, AOneShotDispatchesOnceUnderItsOwnName) {
  boot();
  auto const id =
      engine->create(dispatch_job(R"("id":"once","execute_at":"2026-01-01T00:05:00Z")"));
  EXPECT_EQ(engine->view(id).status, ScheduleStatus::pending);
  advance(minutes{4});
  EXPECT_EQ(runs.dispatches, 0);
  advance(minutes{1});
  ASSERT_EQ(runs.invocations.size(), 1U);
  EXPECT_EQ(runs.invocations[0].trigger, contract::Trigger::scheduled);
  EXPECT_EQ(runs.invocations[0].identity.launcher.text(), "schedule:once");
  EXPECT_EQ(engine->view(id).status, ScheduleStatus::executing);
  runs.end(run(1));
  ASSERT_TRUE(engine->until([&] { return engine->view(id).status == ScheduleStatus::completed; }));
  EXPECT_EQ(engine->history(id)[0].run, "run-1");
  advance(hours{48});
  EXPECT_EQ(runs.dispatches, 1);
  engine->stop();
}

TEST_F(SchedulerTest, ACronWhoseTargetFailsAgainAndAgainGoesOnFiring) {
  boot();
  auto const id = engine->create(
      dispatch_job(R"("cron":"0 * * * *","retry":{"max_attempts":3,"backoff":[1,2]})"));
  runs.refuse = ErrorCode::unavailable;
  for (int hour = 0; hour < 4; ++hour) {
    advance(minutes{60});
    for (int attempt = 0; attempt < 4; ++attempt)
      advance(seconds{2});
    advance(seconds{-8});
  }
  auto const history = engine->history(id);
  EXPECT_EQ(states(history), States(4, FiringState::failed));
  for (auto const& firing : history)
    EXPECT_EQ(firing.attempts, 3);
  EXPECT_EQ(runs.dispatches, 12);
  runs.refuse.reset();
  advance(minutes{60});
  EXPECT_EQ(runs.invocations.size(), 1U);
  engine->stop();
}

TEST_F(SchedulerTest, WhatNoRepetitionMendsIsNotRepeated) {
  boot();
  auto const id = engine->create(dispatch_job(R"("execute_at":"2026-01-01T00:01:00Z")"));
  runs.refuse = ErrorCode::not_found;
  advance(minutes{1});
  advance(minutes{60});
  EXPECT_EQ(runs.dispatches, 1);
  EXPECT_EQ(engine->view(id).status, ScheduleStatus::failed);
  EXPECT_TRUE(engine->history(id)[0].reason.contains("refused by the test"));
  engine->stop();
}

TEST_F(SchedulerTest, CancelThenCreateWithTheSameKeyFires) {
  boot();
  std::string const job =
      dispatch_job(R"("id":"a","execute_at":"2026-01-01T00:05:00Z","idempotency_key":"k")");
  auto const id = engine->create(job);
  EXPECT_EQ(engine->create(job), id);  // the same request: the same schedule
  ASSERT_TRUE(engine->finish(engine->schedules.cancel(id)));
  EXPECT_EQ(engine->view(id).status, ScheduleStatus::cancelled);
  EXPECT_EQ(engine->create(job), id);
  EXPECT_EQ(engine->view(id).status, ScheduleStatus::pending);
  advance(minutes{5});
  EXPECT_EQ(runs.invocations.size(), 1U);
  // Also when the first one had fired already.
  runs.end(run(1));
  ASSERT_TRUE(engine->until([&] { return engine->view(id).status == ScheduleStatus::completed; }));
  ASSERT_TRUE(engine->finish(engine->schedules.cancel(id)));
  engine->create(job);
  engine->settle();
  EXPECT_EQ(runs.invocations.size(), 2U);
  engine->stop();
}

TEST_F(SchedulerTest, TheSameKeyWithAnotherJobIsAConflict) {
  boot();
  engine->create(dispatch_job(R"("cron":"@daily","idempotency_key":"k")"));
  auto other =
      contract::parse_schedule_job(dispatch_job(R"("cron":"@hourly","idempotency_key":"k")"));
  ASSERT_TRUE(other);
  auto const refused = engine->finish(engine->schedules.create(*std::move(other)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
  engine->stop();
}

// The id that its author knows is good for everything, however often it has fired.
TEST_F(SchedulerTest, TheIdStaysValidAfterFirings) {
  boot();
  auto const id =
      engine->create(dispatch_job(R"("id":"mine","cron":"* * * * *","overlap":"allow")"));
  for (int i = 0; i < 5; ++i)
    advance(minutes{1});
  EXPECT_EQ(engine->view(id).record.fired, 5);
  ASSERT_TRUE(engine->finish(engine->schedules.pause(id)));
  advance(minutes{5});
  EXPECT_EQ(runs.invocations.size(), 5U);
  ASSERT_TRUE(engine->finish(engine->schedules.resume(id)));
  advance(minutes{1});
  EXPECT_EQ(runs.invocations.size(), 6U);
  ASSERT_TRUE(engine->finish(engine->schedules.cancel(id)));
  ASSERT_TRUE(engine->finish(engine->schedules.cancel(id)));
  advance(minutes{5});
  EXPECT_EQ(runs.invocations.size(), 6U);
  EXPECT_EQ(engine->view(id).status, ScheduleStatus::cancelled);
  EXPECT_EQ(engine->history(id).size(), 6U);
  engine->stop();
}

// Kills the server at every step of a firing, by letting it run for ever so little longer.
TEST_F(SchedulerTest, KilledAtAnyMomentItFiresEachTimeExactlyOnce) {
  boot();
  auto const id =
      engine->create(dispatch_job(R"("cron":"* * * * *","overlap":"allow","misfire":"all")"));
  int constexpr kMinutes = 40;
  for (int i = 0; i < kMinutes; ++i) {
    clock.advance(minutes{1});
    engine->scheduler.wake();
    engine->loop.restart();
    for (int step = 0; step < i % 20; ++step)
      engine->loop.poll_one();
    if (i % 3 == 0) engine->loop.run_for(Micros{300 * (i % 7)});
    crash();
    boot();
    engine->settle();
  }
  EXPECT_EQ(runs.invocations.size(), static_cast<std::size_t>(kMinutes));
  auto const history = engine->history(id);
  ASSERT_EQ(history.size(), static_cast<std::size_t>(kMinutes));
  for (auto const& firing : history) {
    EXPECT_EQ(firing.state, FiringState::running) << firing.reason;
    EXPECT_FALSE(firing.run.empty());
  }
  EXPECT_TRUE(engine->view(id).record.due.has_value());
  engine->stop();
}

// Started, and the server ends before there is an answer: each time it is started.
TEST_F(SchedulerTest, AFiringThatEndsTheServerIsGivenUpAndTheCronGoesOn) {
  boot();
  auto const id = engine->create(dispatch_job(R"("cron":"@hourly")"));
  engine->stop();
  crash();
  clock.advance(hours{1});
  auto const crash_while_starting = [&] {
    auto database = open_tables(scratch);
    EXPECT_TRUE(recover(database, clock.now(), {}));
    EXPECT_TRUE(record_due(database, clock.now()));
    auto const starts = start_ready(database, clock.now(), 10, false);
    EXPECT_TRUE(starts);
    return starts ? starts->size() : 0;
  };
  for (int i = 0; i < kCrashesMax; ++i)
    EXPECT_EQ(crash_while_starting(), 1U);
  EXPECT_EQ(crash_while_starting(), 0U);
  boot();
  auto const history = engine->history(id);
  ASSERT_EQ(history.size(), 1U);
  EXPECT_EQ(history[0].state, FiringState::failed);
  EXPECT_TRUE(history[0].reason.starts_with("poisoned")) << history[0].reason;
  EXPECT_FALSE(engine->view(id).record.paused);
  advance(hours{1});
  EXPECT_EQ(runs.invocations.size(), 1U);
  engine->stop();
}

TEST_F(SchedulerTest, ACronThatEndsTheServerEachTimeIsPaused) {
  boot();
  auto const id = engine->create(dispatch_job(R"("cron":"@hourly")"));
  engine->stop();
  crash();
  for (int i = 0; i < kPoisonedMax; ++i) {
    clock.advance(hours{1});
    for (int start = 0; start <= kCrashesMax; ++start) {
      auto database = open_tables(scratch);
      ASSERT_TRUE(recover(database, clock.now(), {}));
      ASSERT_TRUE(record_due(database, clock.now()));
      ASSERT_TRUE(start_ready(database, clock.now(), 10, false));
    }
  }
  boot();
  auto const view = engine->view(id);
  EXPECT_TRUE(view.record.paused);
  EXPECT_TRUE(view.record.detail.contains("ended the server")) << view.record.detail;
  ASSERT_TRUE(engine->finish(engine->schedules.resume(id)));
  advance(hours{1});
  EXPECT_EQ(runs.invocations.size(), 1U);
  engine->stop();
}

TEST_F(SchedulerTest, AFiringWhoseStartHadNoAnswerIsStartedAlone) {
  boot();
  for (int i = 0; i < 3; ++i)
    engine->create(dispatch_job(R"("execute_at":"2026-01-01T00:01:00Z")"));
  engine->stop();
  crash();
  clock.advance(minutes{1});
  auto database = open_tables(scratch);
  ASSERT_TRUE(record_due(database, clock.now()));
  ASSERT_EQ(start_ready(database, clock.now(), 1, false)->size(), 1U);
  ASSERT_EQ(recover(database, clock.now(), {})->again, 1);
  EXPECT_EQ(start_ready(database, clock.now(), 10, false)->size(), 2U);  // the clean ones first
  EXPECT_TRUE(start_ready(database, clock.now(), 10, true)->empty());
  EXPECT_EQ(start_ready(database, clock.now(), 10, false)->size(), 1U);
}

TEST_F(SchedulerTest, OverlapQueueRunsOneAfterTheOther) {
  boot();
  auto const id = engine->create(dispatch_job(R"("cron":"* * * * *","overlap":"queue")"));
  for (int i = 0; i < 3; ++i)
    advance(minutes{1});
  EXPECT_EQ(states(engine->history(id)),
            (States{FiringState::running, FiringState::waiting, FiringState::waiting}));
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(
        engine->until([&] { return runs.invocations.size() == static_cast<std::size_t>(i); }));
    runs.end(run(i), i == 2 ? RunState::failed : RunState::succeeded);
  }
  ASSERT_TRUE(
      engine->until([&] { return engine->history(id)[2].state == FiringState::succeeded; }));
  EXPECT_EQ(engine->history(id)[1].state, FiringState::failed);
  engine->stop();
}

TEST_F(SchedulerTest, OverlapSkipSaysWhy) {
  boot();
  auto const id = engine->create(dispatch_job(R"("cron":"* * * * *","overlap":"skip")"));
  advance(minutes{1});
  advance(minutes{1});
  auto const history = engine->history(id);
  EXPECT_EQ(states(history), (States{FiringState::running, FiringState::skipped}));
  EXPECT_TRUE(history[1].reason.contains("overlap"));
  runs.end(run(1));
  ASSERT_TRUE(engine->until([&] { return engine->view(id).status == ScheduleStatus::pending; }));
  advance(minutes{1});
  EXPECT_EQ(runs.invocations.size(), 2U);
  engine->stop();
}

TEST_F(SchedulerTest, OverlapReplaceStopsTheEarlierAndStartsTheLater) {
  boot();
  auto const id = engine->create(dispatch_job(R"("cron":"* * * * *","overlap":"replace")"));
  advance(minutes{1});
  advance(minutes{1});
  ASSERT_TRUE(engine->until([&] { return runs.invocations.size() == 2; }));
  EXPECT_EQ(runs.cancelled, std::vector{run(1)});
  EXPECT_EQ(states(engine->history(id)), (States{FiringState::cancelled, FiringState::running}));
  engine->stop();
}

TEST_F(SchedulerTest, AfterARestartTheEndOfARunIsStillLearned) {
  boot();
  auto const id = engine->create(dispatch_job(R"("execute_at":"2026-01-01T00:01:00Z")"));
  advance(minutes{1});
  ASSERT_EQ(runs.invocations.size(), 1U);
  crash();
  runs.ends[run(1)] = {RunState::failed, "budget"};
  boot();
  ASSERT_TRUE(engine->until([&] { return engine->view(id).status == ScheduleStatus::failed; }));
  EXPECT_EQ(engine->history(id)[0].reason, "budget");
  engine->stop();
}

TEST_F(SchedulerTest, AClockThatIsPutForwardNeitherStormsNorSkipsSilently) {
  boot();
  auto const once = engine->create(dispatch_job(R"("cron":"* * * * *")"));
  auto const skip = engine->create(dispatch_job(R"("cron":"* * * * *","misfire":"skip")"));
  clock.set_wall(clock.now() + hours{1} + seconds{90});
  engine->settle();
  auto const fired = engine->history(once);
  ASSERT_EQ(fired.size(), 1U);
  EXPECT_EQ(fired[0].missed, 60);
  auto const skipped = engine->history(skip);
  ASSERT_EQ(skipped.size(), 2U);
  EXPECT_EQ(skipped[0].state, FiringState::skipped);
  EXPECT_TRUE(skipped[0].reason.contains("60 firings")) << skipped[0].reason;
  engine->stop();
}

TEST_F(SchedulerTest, AClockThatIsPutBackFiresNothingTwiceAndDoesNotFallSilent) {
  boot();
  auto const id = engine->create(dispatch_job(R"("cron":"*/10 * * * *","overlap":"allow")"));
  for (int i = 0; i < 6; ++i)
    advance(minutes{10});
  EXPECT_EQ(runs.invocations.size(), 6U);
  // One hour back: those times have had their firing.
  clock.set_wall(clock.now() - hours{1});
  engine->settle();
  for (int i = 0; i < 6; ++i)
    advance(minutes{10});
  EXPECT_EQ(runs.invocations.size(), 6U);
  advance(minutes{10});
  EXPECT_EQ(runs.invocations.size(), 7U);
  // Years ahead by mistake, and mended.
  clock.set_wall(clock.now() + hours{24 * 3650});
  engine->settle();
  clock.set_wall(clock.now() - hours{24 * 3650});
  engine->settle();
  auto const before = runs.invocations.size();
  advance(minutes{10});
  EXPECT_EQ(runs.invocations.size(), before + 1);
  EXPECT_LE(engine->history(id).size(), 10U);
  engine->stop();
}

TEST_F(SchedulerTest, RunNowFiresAlsoWhatIsPausedAndOncePerKey) {
  boot();
  auto const id =
      engine->create(dispatch_job(R"("cron":"@yearly","paused":true,"overlap":"allow")"));
  auto const first = engine->finish(engine->schedules.run_now(id, "k"));
  auto const second = engine->finish(engine->schedules.run_now(id, "k"));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->id, second->id);
  ASSERT_TRUE(engine->finish(engine->schedules.run_now(id, "")));
  ASSERT_TRUE(engine->until([&] { return runs.invocations.size() == 2; }));
  engine->settle();
  EXPECT_EQ(runs.invocations.size(), 2U);
  EXPECT_EQ(engine->history(id)[0].cause, FiringCause::manual);
  engine->stop();
}

TEST_F(SchedulerTest, AnEventFiresWhatItMatchesOnceWithItsValues) {
  boot();
  auto const hit = engine->create(
      dispatch_job(R"("event":{"type":"issue","source":"gh","filter":{"/data/action":"opened"}})",
                   "Look at {{event.data.title}} of {{ event.subject }}."));
  engine->create(dispatch_job(R"("event":{"type":"issue","filter":{"/data/action":"closed"}})"));
  engine->create(dispatch_job(R"("event":{"type":"other"})"));
  auto const send = [&](std::string_view text) {
    auto event = contract::parse_incoming_event(text);
    return engine->finish(engine->schedules.accept(*event));
  };
  std::string_view const body =
      R"({"type":"issue","source":"gh","id":"1","subject":"app","data":{"action":"opened","title":"{{event.id}}"}})";
  auto const first = send(body);
  ASSERT_TRUE(first);
  ASSERT_EQ(first->firings.size(), 1U);
  EXPECT_EQ(first->firings[0].schedule, hit);
  auto const again = send(body);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate);
  ASSERT_TRUE(engine->until([&] { return runs.invocations.size() == 1; }));
  auto const& invocation = runs.invocations[0];
  EXPECT_EQ(invocation.trigger, contract::Trigger::event);
  EXPECT_EQ(std::get<contract::Entrypoint>(invocation.start).prompt(),
            "Look at {{event.id}} of app.");
  engine->stop();
}

TEST_F(SchedulerTest, HistoryIsBounded) {
  SchedulerOptions options;
  options.retention.firings_max = 5;
  boot(options);
  auto const id = engine->create(dispatch_job(R"("cron":"* * * * *","overlap":"allow")"));
  for (int i = 1; i <= 12; ++i) {
    advance(minutes{1});
    runs.end(run(i));
    ASSERT_TRUE(engine->until([&] { return engine->view(id).status == ScheduleStatus::pending; }));
  }
  EXPECT_EQ(engine->history(id).size(), 5U);
  EXPECT_EQ(engine->view(id).record.fired, 12);
  ASSERT_TRUE(engine->finish(engine->schedules.pause(id)));
  advance(hours{24 * 31});
  EXPECT_EQ(engine->history(id).size(), 0U);
  engine->stop();
}

}  // namespace
}  // namespace drover::schedule
