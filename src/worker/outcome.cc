#include "worker/outcome.h"

#include <fmt/format.h>

namespace drover::worker {

namespace {

using contract::RunReason;
using contract::RunState;

// So long nobody is offered a run that a machine could not work on: it would be the same one again.
constexpr Millis kElsewhereDelay{10'000};
// Between two looks whether a disk has room again.
constexpr Millis kRoomDelay{2'000};

Outcome failed(RunReason reason, std::string detail) {
  Outcome outcome;
  outcome.state = RunState::failed;
  outcome.reason = reason;
  outcome.tree = TreeAction::set_aside;
  outcome.detail = std::move(detail);
  return outcome;
}

// The rest is not the unit's to say.
RunReason reason_of(RunReason word) {
  switch (word) {
    case RunReason::max_turns:
    case RunReason::budget_exhausted:
    case RunReason::prompt_too_long:
    case RunReason::model_error:
    case RunReason::interrupted:
      return word;
    default:
      return RunReason::unit_failed;
  }
}

Outcome again_or_failed(RunReason reason, std::string_view what, TurnEnd const& end,
                        std::int64_t attempts, std::int64_t attempts_max) {
  if (attempts >= attempts_max)
    return failed(reason,
                  fmt::format("{} in each of {} attempts; last: {}", what, attempts, end.detail));
  Outcome again;
  again.state = RunState::queued;
  again.reason = reason;
  again.detail = end.detail;
  return again;
}

Outcome after_done(TurnEnd const& end, std::int64_t attempts, std::int64_t attempts_max) {
  if (end.ok) {
    Outcome outcome;
    bool const asks = end.reason == RunReason::waiting_input;
    outcome.reason = asks ? RunReason::waiting_input : RunReason::completed;
    outcome.state = contract::resting_state(outcome.reason);
    if (asks) outcome.detail = end.detail;
    outcome.tree = TreeAction::commit;
    outcome.keep_unit = true;
    return outcome;
  }
  // The disk that failed may have been full for a moment.
  if (end.reason == RunReason::session_error)
    return again_or_failed(end.reason, "the session's files could not be used", end, attempts,
                           attempts_max);
  // The unit ended its turn in order and its history is whole, so the session can go on with it.
  Outcome outcome = failed(reason_of(end.reason), end.detail);
  outcome.keep_unit = true;
  return outcome;
}

}  // namespace

bool counts_as_attempt(RunReason reason) {
  return reason == RunReason::lost || reason == RunReason::no_progress ||
         reason == RunReason::session_error;
}

Outcome decide(TurnEnd const& end, std::int64_t attempts, std::int64_t attempts_max) {
  switch (end.kind) {
    case TurnEnd::Kind::done:
      return after_done(end, attempts, attempts_max);
    case TurnEnd::Kind::unit_lost:
      return again_or_failed(RunReason::lost, "the unit was lost", end, attempts, attempts_max);
    case TurnEnd::Kind::silent:
      return again_or_failed(RunReason::no_progress, "the unit went silent", end, attempts,
                             attempts_max);
    case TurnEnd::Kind::out_of_memory:
      return failed(RunReason::oom, end.detail);
    case TurnEnd::Kind::over_disk:
      return failed(RunReason::over_disk, end.detail);
    case TurnEnd::Kind::start_failed:
      return failed(RunReason::start_failed, end.detail);
    case TurnEnd::Kind::misplaced: {
      Outcome elsewhere;
      elsewhere.state = RunState::queued;
      elsewhere.reason = RunReason::start_failed;
      elsewhere.detail = end.detail;
      elsewhere.counts = false;
      elsewhere.delay = kElsewhereDelay;
      return elsewhere;
    }
    case TurnEnd::Kind::no_space: {
      Outcome again;
      again.state = RunState::queued;
      again.reason = RunReason::no_space;
      again.detail = end.detail;
      again.counts = end.reached_unit;
      again.delay = kRoomDelay;
      return again;
    }
    case TurnEnd::Kind::timed_out:
      return failed(RunReason::timeout, end.detail);
    case TurnEnd::Kind::cancelled: {
      Outcome outcome = failed(RunReason::cancelled_by_user, end.detail);
      outcome.state = RunState::cancelled;
      return outcome;
    }
    case TurnEnd::Kind::server_stops: {
      Outcome again;
      again.state = RunState::queued;
      again.reason = RunReason::interrupted;
      return again;
    }
    case TurnEnd::Kind::fenced: {
      Outcome outcome;
      outcome.fenced = true;
      return outcome;
    }
  }
  return failed(RunReason::lost, "unknown end");
}

Outcome resume_committing(RunRecord const& run) {
  Outcome outcome;
  outcome.reason = run.reason.value_or(RunReason::completed);
  outcome.state = contract::resting_state(outcome.reason);
  bool const ended_well =
      outcome.state == RunState::succeeded || outcome.state == RunState::waiting;
  outcome.tree = ended_well ? TreeAction::commit : TreeAction::set_aside;
  outcome.detail = run.detail;
  return outcome;
}

}  // namespace drover::worker
