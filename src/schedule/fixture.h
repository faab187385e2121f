#pragma once
// For tests: a store with this folder's tables, what people ask, and the scheduler over runs that
// the test ends.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include "schedule/scheduler.h"
#include "schedule/schedules.h"
#include "schedule/schema.h"
#include "store/scratch.h"

namespace drover::schedule {

// Behaves as the worker does towards the scheduler: a key dispatches once, and a run ends when the
// test says so. Outlives the engines that a test kills, as the store of runs does.
class TestRuns final : public Runs {
 public:
  Task<Result<RunId>> dispatch(contract::Invocation invocation) override {
    ++dispatches;
    std::string const key = invocation.idempotency_key.value_or("");
    if (refuse) co_return fail(*refuse, "refused by the test");
    if (!by_key.contains(key)) {
      by_key[key] = RunId::trusted("run-" + std::to_string(by_key.size() + 1));
      invocations.push_back(std::move(invocation));
    }
    co_return by_key.at(key);
  }
  Task<Result<RunEnd>> wait_end(RunId run) override {
    while (!ends.contains(run) && !stopping)
      co_await changed->wait(changed->version());
    if (!ends.contains(run)) co_return fail(ErrorCode::cancelled, "stopped");
    co_return ends.at(run);
  }
  Task<Status> cancel(RunId run) override {
    cancelled.push_back(run);
    end(run, contract::RunState::cancelled);
    co_return Status{};
  }
  void stop() override {
    stopping = true;
    changed->notify();
  }
  void end(RunId const& run, contract::RunState state = contract::RunState::succeeded) {
    ends[run] = RunEnd{state, state == contract::RunState::succeeded ? "" : "why"};
    changed->notify();
  }

  std::unique_ptr<os::AsyncEvent> changed;
  std::map<std::string, RunId> by_key;
  std::map<RunId, RunEnd> ends;
  std::vector<contract::Invocation> invocations;
  std::vector<RunId> cancelled;
  std::optional<ErrorCode> refuse;
  int dispatches = 0;
  bool stopping = false;
};

inline store::Database open_tables(store::Scratch const& scratch) {
  auto database = scratch.open();
  if (auto const done = store::migrate(database, migrations()); !done)
    throw std::runtime_error(done.error().text());
  return database;
}

// One life of a server. Declared in the order of life: the loop goes last.
struct Engine {
  Engine(store::Scratch const& scratch, ManualClock& manual, TestRuns& test_runs,
         SchedulerOptions options = {})
      : clock(manual),
        runs(test_runs),
        pool(1),
        owned_writer(std::make_unique<store::Writer>(open_tables(scratch), loop.get_executor())),
        writer(*owned_writer),
        readers(scratch.path(), pool),
        scheduler({loop, clock, writer, runs}, options),
        schedules({clock, random, writer, readers, options.reach, [this] { scheduler.wake(); }}) {
    runs.changed = std::make_unique<os::AsyncEvent>(loop.get_executor());
    runs.stopping = false;
  }

  template <class T>
  T finish(Task<T> task) {
    return store::finish(loop, std::move(task));
  }
  void start() {
    auto const started = finish(scheduler.start());
    if (!started) throw std::runtime_error(started.error().text());
  }
  void stop() { finish(stopped()); }
  Task<bool> stopped() {
    co_await scheduler.stop();
    co_return true;
  }
  // Runs the loop until `holds`, waking the scheduler, for the test's clock rings no alarm.
  template <class Condition>
  [[nodiscard]] bool until(Condition const& holds) {
    scheduler.wake();
    loop.restart();
    auto const deadline = std::chrono::steady_clock::now() + store::kTestDeadline;
    while (std::chrono::steady_clock::now() < deadline) {
      if (holds()) return true;
      scheduler.wake();
      loop.restart();
      loop.run_for(Millis{1});
    }
    return false;
  }
  // What is ready has been done: two rounds without anything left to run.
  void settle() {
    for (int i = 0; i < 3; ++i) {
      scheduler.wake();
      loop.restart();
      loop.run_for(Millis{15});
    }
  }
  ScheduleId create(std::string const& job) {
    auto parsed = contract::parse_schedule_job(job);
    if (!parsed) throw std::runtime_error(parsed.error().text());
    auto const created = finish(schedules.create(*std::move(parsed)));
    if (!created) throw std::runtime_error(created.error().text());
    return created->view.record.id;
  }
  ScheduleView view(ScheduleId const& id) {
    auto found = finish(schedules.get(id));
    if (!found) throw std::runtime_error(found.error().text());
    return *std::move(found);
  }
  // Oldest first.
  std::vector<FiringRecord> history(ScheduleId const& id) {
    auto found = finish(schedules.history(id, 0, 1000));
    if (!found) throw std::runtime_error(found.error().text());
    return {found->rbegin(), found->rend()};
  }

  ManualClock& clock;
  TestRuns& runs;
  SystemRandom random;
  boost::asio::io_context loop;
  os::BlockingPool pool;
  std::unique_ptr<store::Writer> owned_writer;
  store::Writer& writer;
  store::Readers readers;
  Scheduler scheduler;
  Schedules schedules;
};

// As SIGKILL: what was committed is there, and nothing of what was under way runs on or is put in
// order. So the engine is not destroyed; only its file is let go of.
inline void kill(std::unique_ptr<Engine> engine) {
  static auto& graveyard = *new std::vector<std::unique_ptr<Engine>>;
  engine->owned_writer.reset();
  graveyard.push_back(std::move(engine));
}

// A job that dispatches; `members` are those beside the target.
inline std::string dispatch_job(std::string const& members, std::string const& prompt = "go") {
  return R"({"dispatch":{"identity":{"subject":"dev","launcher":"user:dev"},"runner":"native",)"
         R"("workspaces":[{"id":"demo","mode":"rw"}],"trigger":"message",)"
         R"("start":{"entrypoint":{"inline":)" +
         json::serialize(json::value(prompt)) + "}}}," + members + "}";
}

}  // namespace drover::schedule
