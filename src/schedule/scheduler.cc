#include "schedule/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "schedule/target.h"

namespace drover::schedule {

namespace {

// What may go better another time; anything else is a defect of the job, which no repetition mends.
bool is_passing(ErrorCode code) {
  switch (code) {
    case ErrorCode::conflict:
    case ErrorCode::rate_limited:
    case ErrorCode::unavailable:
    case ErrorCode::timeout:
    case ErrorCode::upstream:
    case ErrorCode::no_space:
    case ErrorCode::internal:
    case ErrorCode::cancelled:
      return true;
    default:
      return false;
  }
}

bool is_passing_status(int status) {
  constexpr int kRequestTimeout = 408;
  constexpr int kTooEarly = 425;
  constexpr int kTooMany = 429;
  return status >= 500 || status == kRequestTimeout || status == kTooEarly || status == kTooMany;
}

Outcome outcome_of(RunEnd const& end) {
  Outcome outcome;
  outcome.reason = end.detail;
  if (end.state == contract::RunState::failed) outcome.state = FiringState::failed;
  if (end.state == contract::RunState::cancelled) outcome.state = FiringState::cancelled;
  return outcome;
}

}  // namespace

Scheduler::Scheduler(SchedulerParts parts, SchedulerOptions options)
    : parts_(parts),
      options_(options),
      sender_(std::make_unique<RequestSender>(parts.io, options.reach)),
      changed_(parts.io.get_executor()),
      tasks_(parts.io.get_executor(), "scheduler") {}

Scheduler::~Scheduler() = default;

Task<Status> Scheduler::start() {
  auto alarm = os::WallAlarm::create(parts_.io.get_executor(), [this] { wake(); });
  if (!alarm) co_return std::unexpected(alarm.error());
  alarm_ = *std::move(alarm);
  WallTime const now = parts_.clock.now();
  auto const recovered =
      co_await parts_.writer.run([now, this](store::Transaction& transaction) -> Result<Recovered> {
        auto const armed = arm_anew(transaction.db(), now);
        if (!armed) return std::unexpected(armed.error());
        return recover(transaction.db(), now, options_.retention);
      });
  if (!recovered) co_return std::unexpected(recovered.error());
  if (recovered->again > 0 || recovered->given_up > 0)
    log::info("firings-recovered",
              {{"again", recovered->again}, {"given_up", recovered->given_up}});
  tasks_.spawn(loop(), "loop");
  co_return Status{};
}

Task<void> Scheduler::stop() {
  stopping_ = true;
  parts_.runs.stop();
  changed_.notify();
  auto const deadline = os::AsyncEvent::TimePoint::clock::now() + options_.stop_grace;
  co_await tasks_.join(deadline);
  sender_.reset();  // what is under way is cancelled
  co_await tasks_.join();
  std::vector<std::int64_t> const firings{unanswered_.begin(), unanswered_.end()};
  if (firings.empty()) co_return;
  auto const given = co_await parts_.writer.run(
      [firings, now = parts_.clock.now()](store::Transaction& transaction) {
        return give_back(transaction.db(), firings, now);
      });
  if (!given) log::error("firings-not-given-back", {{"reason", given.error().text()}});
}

Task<void> Scheduler::pause(Millis time) {
  auto const end = os::AsyncEvent::TimePoint::clock::now() + time;
  while (!stopping_ && os::AsyncEvent::TimePoint::clock::now() < end)
    co_await changed_.wait(changed_.version(), end);
}

Task<void> Scheduler::loop() {
  while (!stopping_) {
    auto const seen = changed_.version();
    auto round = co_await this->round();
    if (!round) {
      log::error("scheduler-round-failed", {{"reason", round.error().text()}});
      co_await pause(options_.again);
      continue;
    }
    alarm_->set(round->wake);
    bool const more = round->more;
    begin(*std::move(round));
    if (!more && !stopping_) co_await changed_.wait(seen);
  }
}

Task<Result<Round>> Scheduler::round() {
  RoundPlan plan = rounds_.plan(parts_.clock.now());
  plan.starts_max = static_cast<std::int64_t>(
      alone_ ? 0 : options_.starts_max - std::min(starting_.size(), options_.starts_max));
  plan.busy = !starting_.empty();
  plan.watched_max = static_cast<std::int64_t>(options_.watched_max);
  plan.retention = options_.retention;
  auto round = co_await parts_.writer.run(
      [plan](store::Transaction& transaction) { return play_round(transaction.db(), plan); });
  if (round) rounds_.note(plan);
  co_return round;
}

void Scheduler::begin(Round round) {
  for (Start& start : round.starts) {
    starting_.insert(start.firing.id);
    // Counted when it was started; above 1, an earlier start had no answer.
    alone_ = alone_ || start.firing.crashes > 1;
    tasks_.spawn(carry_out(std::move(start)), "carry-out");
  }
  for (auto const& [firing, run] : round.to_watch) {
    if (watched_.size() >= options_.watched_max) break;
    if (watched_.insert(firing).second) tasks_.spawn(watch(firing, run), "watch");
  }
  for (auto const& [firing, run] : round.to_cancel)
    if (cancelling_.insert(run).second) tasks_.spawn(cancel(run), "cancel");
}

template <class Work>
Task<bool> Scheduler::record(Work work) {
  for (;;) {
    auto const done = co_await parts_.writer.run(work);
    if (done) co_return true;
    log::error("firing-not-recorded", {{"reason", done.error().text()}});
    if (stopping_) co_return false;
    co_await pause(options_.again);
  }
}

Task<void> Scheduler::carry_out(Start start) {
  std::int64_t const id = start.firing.id;
  bool const is_request =
      std::holds_alternative<contract::ScheduledRequest>(start.schedule.job.target);
  if (is_request) {
    co_await send(std::move(start));
  } else {
    co_await dispatch(std::move(start));
  }
  starting_.erase(id);
  if (starting_.empty()) alone_ = false;
  changed_.notify();
}

Task<Result<RunId>> Scheduler::try_dispatch(Start start) {
  auto invocation = invocation_of(start);
  if (!invocation) co_return std::unexpected(invocation.error());
  co_return co_await parts_.runs.dispatch(*std::move(invocation));
}

Task<void> Scheduler::dispatch(Start start) {
  std::int64_t const id = start.firing.id;
  contract::RetryPolicy const retry = start.schedule.job.retry;
  auto const run = co_await try_dispatch(start);
  WallTime const now = parts_.clock.now();
  bool recorded = false;
  if (run) {
    recorded = co_await record([id, run = *run](store::Transaction& transaction) {
      return note_run(transaction.db(), id, run);
    });
  } else {
    log::warn("firing-not-dispatched",
              {{"schedule", start.schedule.id}, {"firing", id}, {"reason", run.error().text()}});
    Outcome const outcome{
        .state = FiringState::failed, .http_status = 0, .reason = run.error().text()};
    bool const again = is_passing(run.error().code);
    recorded =
        co_await record([this, id, retry, outcome, now, again](store::Transaction& transaction) {
          return again ? try_again(transaction.db(), id, retry, outcome, now, options_.retention)
                       : finish(transaction.db(), id, outcome, now, options_.retention);
        });
  }
  if (!recorded) unanswered_.insert(id);
}

Task<void> Scheduler::send(Start start) {
  std::int64_t const id = start.firing.id;
  contract::RetryPolicy const retry = start.schedule.job.retry;
  auto const status = co_await sender_->send(request_of(start, options_.reach));
  if (!status && status.error().code == ErrorCode::cancelled && stopping_) {
    unanswered_.insert(id);
    co_return;
  }
  WallTime const now = parts_.clock.now();
  Outcome outcome;
  bool again = false;
  if (!status) {
    outcome = {.state = FiringState::failed, .http_status = 0, .reason = status.error().text()};
    again = is_passing(status.error().code);
  } else if (*status < 200 || *status >= 300) {
    outcome = {.state = FiringState::failed,
               .http_status = *status,
               .reason = fmt::format("the target answered with status {}", *status)};
    again = is_passing_status(*status);
  } else {
    outcome.http_status = *status;
  }
  bool const recorded =
      co_await record([this, id, retry, outcome, now, again](store::Transaction& transaction) {
        return again ? try_again(transaction.db(), id, retry, outcome, now, options_.retention)
                     : finish(transaction.db(), id, outcome, now, options_.retention);
      });
  if (!recorded) unanswered_.insert(id);
}

Task<void> Scheduler::watch(std::int64_t firing, RunId run) {
  auto const end = co_await parts_.runs.wait_end(run);
  bool const lost = !end && end.error().code == ErrorCode::not_found;
  if (!end && !lost) {
    if (!stopping_) {
      log::warn("run-not-watched", {{"run", run}, {"reason", end.error().text()}});
      co_await pause(options_.again);
    }
  } else {
    Outcome const outcome =
        end ? outcome_of(*end)
            : Outcome{.state = FiringState::failed, .http_status = 0, .reason = end.error().text()};
    // Where it is not recorded, the next round watches the run again.
    bool const recorded = co_await record(
        [this, firing, outcome, now = parts_.clock.now()](store::Transaction& transaction) {
          return finish(transaction.db(), firing, outcome, now, options_.retention);
        });
    static_cast<void>(recorded);
  }
  cancelling_.erase(run);
  watched_.erase(firing);
  changed_.notify();
}

Task<void> Scheduler::cancel(RunId run) {
  auto const cancelled = co_await parts_.runs.cancel(run);
  if (cancelled || cancelled.error().code == ErrorCode::conflict) co_return;
  log::warn("run-not-cancelled", {{"run", run}, {"reason", cancelled.error().text()}});
  co_await pause(options_.again);
  cancelling_.erase(run);
}

}  // namespace drover::schedule
