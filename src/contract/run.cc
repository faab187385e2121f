#include "contract/run.h"

#include "contract/fields.h"

namespace drover::contract {

namespace {

constexpr std::array<Named<RunState>, 8> kStates = {{{RunState::queued, "queued"},
                                                     {RunState::claimed, "claimed"},
                                                     {RunState::running, "running"},
                                                     {RunState::waiting, "waiting"},
                                                     {RunState::committing, "committing"},
                                                     {RunState::succeeded, "succeeded"},
                                                     {RunState::failed, "failed"},
                                                     {RunState::cancelled, "cancelled"}}};

constexpr std::array<Named<RunReason>, 22> kReasons = {
    {{RunReason::completed, "completed"},
     {RunReason::waiting_input, "waiting_input"},
     {RunReason::input_timeout, "input_timeout"},
     {RunReason::max_turns, "max_turns"},
     {RunReason::budget_exhausted, "budget_exhausted"},
     {RunReason::timeout, "timeout"},
     {RunReason::lost, "lost"},
     {RunReason::oom, "oom"},
     {RunReason::over_disk, "over_disk"},
     {RunReason::rejected, "rejected"},
     {RunReason::commit_failed, "commit_failed"},
     {RunReason::start_failed, "start_failed"},
     {RunReason::unit_failed, "unit_failed"},
     {RunReason::model_error, "model_error"},
     {RunReason::prompt_too_long, "prompt_too_long"},
     {RunReason::interrupted, "interrupted"},
     {RunReason::session_error, "session_error"},
     {RunReason::no_space, "no_space"},
     {RunReason::queue_timeout, "queue_timeout"},
     {RunReason::no_progress, "no_progress"},
     {RunReason::cancelled_by_user, "cancelled_by_user"},
     {RunReason::internal, "internal"}}};

}  // namespace

std::string_view to_string(RunState state) {
  return name_of(kStates, state);
}
std::string_view to_string(RunReason reason) {
  return name_of(kReasons, reason);
}

Result<RunState> parse_run_state(std::string_view text) {
  return parse_name(kStates, "run state", text);
}

Result<RunReason> parse_run_reason(std::string_view text) {
  return parse_name(kReasons, "run reason", text);
}

bool is_terminal(RunState state) {
  return state == RunState::succeeded || state == RunState::failed || state == RunState::cancelled;
}

bool can_follow(RunState from, RunState to) {
  if (is_terminal(from)) return false;
  switch (to) {
    // Whatever dies, the watchdog may give the run back or end it.
    case RunState::queued:
      return from != RunState::queued;
    case RunState::failed:
    case RunState::cancelled:
      return true;
    case RunState::claimed:
      return from == RunState::queued;
    case RunState::running:
      return from == RunState::claimed || from == RunState::waiting;
    case RunState::waiting:
      return from == RunState::running || from == RunState::committing;
    case RunState::committing:
      return from == RunState::running || from == RunState::waiting;
    case RunState::succeeded:
      return from == RunState::committing || from == RunState::waiting;
  }
  return false;
}

RunState resting_state(RunReason reason) {
  if (reason == RunReason::completed) return RunState::succeeded;
  if (reason == RunReason::waiting_input) return RunState::waiting;
  if (reason == RunReason::cancelled_by_user || reason == RunReason::interrupted)
    return RunState::cancelled;
  return RunState::failed;
}

}  // namespace drover::contract
