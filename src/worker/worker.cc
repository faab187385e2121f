#include "worker/worker.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "base/log.h"
#include "worker/end_write.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"
#include "worker/waiting.h"

namespace drover::worker {

namespace {

using contract::RunReason;
using contract::RunState;
using std::chrono::steady_clock;

constexpr Millis kClaimWait{60'000};
constexpr Millis kClaimRetry{1'000};

// The run's row changes in the transaction that makes the claim durable.
Status begin_attempt(store::Transaction& transaction, broker::OutputStreams& streams,
                     broker::Claim const& claim, WallTime now) {
  auto found = find_run(transaction.db(), claim.entry.run);
  if (!found) return std::unexpected(found.error());
  RunRecord run = *std::move(found);
  RunState const from = run.state;
  run.epoch = static_cast<std::int64_t>(claim.epoch);
  run.attempts += 1;
  if (!run.started_at) {
    run.started_at = now;
    run.phases.queue_ms = std::chrono::duration_cast<Millis>(now - run.created_at).count();
  }
  // A change that was being governed is governed; there is nothing to work on.
  if (from != RunState::committing) {
    run.state = RunState::claimed;
    run.reason.reset();
    run.detail.clear();
  }
  return write_run(transaction, streams, run, from);
}

}  // namespace

Worker::Worker(Services const& services, WorkerId id)
    : services_(services),
      id_(std::move(id)),
      units_(services),
      changed_(services.io.get_executor()) {}

Worker::~Worker() = default;

void Worker::spawn(Task<void> task, char const* name) {
  ++tasks_;
  boost::asio::co_spawn(
      services_.io, std::move(task), [this, name](std::exception_ptr const& thrown) {
        --tasks_;
        changed_.notify();
        if (thrown == nullptr) return;
        try {
          std::rethrow_exception(thrown);
        } catch (std::exception const& error) {
          log::error("worker-task-failed", {{"task", name}, {"reason", error.what()}});
        }
      });
}

Status Worker::start() {
  DROVER_TRY(units_.start());
  spawn(claim_loop(), "claim");
  spawn(renew_loop(), "renew");
  spawn(units_.watch_idle(), "idle");
  return {};
}

Task<void> Worker::stop() {
  stopping_ = true;
  changed_.notify();
  for (auto& [run, supervisor] : active_)
    supervisor->abandon();
  while (working_ > 0) {
    auto const seen = changed_.version();
    if (working_ > 0) co_await changed_.wait(seen);
  }
  co_await units_.stop();
  while (tasks_ > 0) {
    auto const seen = changed_.version();
    if (tasks_ > 0) co_await changed_.wait(seen);
  }
}

Task<void> Worker::claim_loop() {
  while (!stopping_) {
    auto const seen = changed_.version();
    if (working_ >= services_.options.slots) {
      co_await changed_.wait(seen);
      continue;
    }
    if (!services_.reserve.held()) {
      co_await changed_.wait(seen, steady_clock::now() + kClaimRetry);
      continue;
    }
    broker::ClaimRequest request;
    request.worker = id_;
    request.lease = services_.options.lease;
    request.wait = kClaimWait;
    request.within = [this](store::Transaction& transaction, broker::Claim const& claim) -> Status {
      DROVER_TRY(services_.reserve.room());
      return begin_attempt(transaction, services_.streams, claim, services_.clock.now());
    };
    auto claim = co_await services_.queue.claim(std::move(request));
    if (!claim) {
      if (stopping_) co_return;
      log::error("claim-failed", {{"reason", claim.error().text()}});
      co_await changed_.wait(changed_.version(), steady_clock::now() + kClaimRetry);
      continue;
    }
    if (!*claim) continue;
    ++working_;
    spawn(supervise(std::move(**claim)), "supervise");
  }
}

Task<void> Worker::supervise(broker::Claim claim) {
  // Counts down also when the coroutine is left by an exception.
  struct Leave {
    Worker* worker;
    RunId run;
    ~Leave() {
      worker->active_.erase(run);
      worker->claims_.erase(run);
      --worker->working_;
      worker->changed_.notify();
      if (worker->sessions_changed_) worker->sessions_changed_();
    }
  };
  RunId const id = claim.entry.run;
  Leave const leave{this, id};
  struct Loaded {
    RunRecord run;
    SessionRecord session;
  };
  auto loaded = co_await services_.readers.run([id](store::Database& database) -> Result<Loaded> {
    auto run = find_run(database, id);
    if (!run) return std::unexpected(run.error());
    auto session = find_session(database, run->session);
    if (!session) return std::unexpected(session.error());
    return Loaded{*std::move(run), *std::move(session)};
  });
  if (!loaded) {
    log::error("run-not-readable", {{"run", id}, {"reason", loaded.error().text()}});
    co_return;
  }
  claims_.emplace(id, claim);
  Supervisor supervisor{services_, units_, std::move(claim), std::move(loaded->run),
                        std::move(loaded->session)};
  active_.emplace(id, &supervisor);
  if (sessions_changed_) sessions_changed_();
  if (stopping_) supervisor.abandon();
  log::info("run-claimed", {{"run", id}, {"epoch", supervisor.run().epoch}});
  co_await supervisor.work();
}

Task<void> Worker::renew_loop() {
  while (!stopping_) {
    auto const due = steady_clock::now() + services_.options.lease / 3;
    while (!stopping_ && steady_clock::now() < due) {
      auto const seen = changed_.version();
      // Without a claim there is nothing to renew, and nothing to wake up for.
      auto const deadline = claims_.empty() ? os::AsyncEvent::kForever : due;
      co_await changed_.wait(seen, deadline);
    }
    for (auto const& [run, claim] : claims_) {
      auto const renewed = services_.queue.renew(claim, services_.options.lease);
      if (renewed) continue;
      auto const supervisor = active_.find(run);
      if (supervisor != active_.end()) supervisor->second->fence();
    }
  }
}

Task<void> Worker::release(SessionId session) {
  co_await units_.drop(std::move(session));
}

std::set<SessionId> Worker::active_sessions() const {
  std::set<SessionId> sessions;
  for (auto const& [run, supervisor] : active_)
    sessions.insert(supervisor->run().session);
  return sessions;
}

bool Worker::works_on(SessionId const& session) const {
  for (auto const& [run, supervisor] : active_)
    if (supervisor->run().session == session) return true;
  return false;
}

Task<Result<RunRecord>> Worker::cancel(RunId id) {
  auto found = co_await services_.readers.run(
      [id](store::Database& database) { return find_run(database, id); });
  if (!found) co_return found;
  if (contract::is_terminal(found->state))
    co_return fail(ErrorCode::conflict, "the run {} has ended already: {}", id,
                   contract::to_string(found->state));
  co_return co_await cancel_queued(*std::move(found));
}

Task<Result<RunRecord>> Worker::cancel_queued(RunRecord run) {
  run.reason = RunReason::cancelled_by_user;
  run.detail = "cancelled before it started";
  run.finished_at = services_.clock.now();
  run.phases.total_ms =
      std::chrono::duration_cast<Millis>(*run.finished_at - run.created_at).count();
  auto job = [this, run](store::Transaction& transaction) -> Result<broker::CancelOutcome> {
    DROVER_TRY(request_cancel(transaction.db(), run.id));
    auto const outcome = services_.queue.cancel(transaction, run.id);
    if (outcome && *outcome == broker::CancelOutcome::absent)
      DROVER_TRY(cancel_waiting(transaction, services_.streams, run, *run.finished_at));
    if (!outcome || *outcome != broker::CancelOutcome::removed) return outcome;
    RunRecord after = run;
    after.state = RunState::cancelled;
    DROVER_TRY(finish_run(transaction, services_.streams, after, run.state));
    return outcome;
  };
  auto const cancelled = co_await write_of_end(services_, std::move(job));
  if (!cancelled) co_return std::unexpected(cancelled.error());
  if (*cancelled == broker::CancelOutcome::claimed) {
    auto const active = active_.find(run.id);
    if (active != active_.end()) active->second->cancel();
  }
  co_return co_await services_.readers.run(
      [id = run.id](store::Database& database) { return find_run(database, id); });
}

}  // namespace drover::worker
