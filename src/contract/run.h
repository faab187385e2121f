#pragma once
// The states of a run and why it is in them. Pure values; thread-safe.
//
//   queued → claimed → running ⇄ waiting → committing → succeeded | failed | cancelled
//
// A lost or retried attempt puts a run back to queued. A turn that ends with a question to the user
// is committed as any other; its run then waits for the answer and ends with it.
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace drover::contract {

enum class RunState : std::uint8_t {
  queued,
  claimed,
  running,
  waiting,
  committing,
  succeeded,
  failed,
  cancelled,
};

enum class RunReason : std::uint8_t {
  completed,
  waiting_input,  // waiting: it has asked the user, and the session's next message is the answer
  input_timeout,  // nobody answered
  max_turns,
  budget_exhausted,
  timeout,
  lost,  // its worker or unit died, and it may not be tried again
  oom,
  over_disk,  // its workspaces grew beyond their limit
  rejected,   // the workspace's rules refused the change
  commit_failed,
  start_failed,  // no unit could be started
  unit_failed,   // the unit ended without a result
  model_error,
  prompt_too_long,
  interrupted,
  session_error,  // the session's files cannot be used
  no_space,
  queue_timeout,  // no worker took it in time
  no_progress,    // its attempts went silent
  cancelled_by_user,
  internal,
};

[[nodiscard]] std::string_view to_string(RunState state);
[[nodiscard]] std::string_view to_string(RunReason reason);
[[nodiscard]] Result<RunState> parse_run_state(std::string_view text);
[[nodiscard]] Result<RunReason> parse_run_reason(std::string_view text);

[[nodiscard]] bool is_terminal(RunState state);
// May a run go from the one state to the other?
[[nodiscard]] bool can_follow(RunState from, RunState to);
// The state that a run with this reason comes to rest in: a terminal one, but for waiting_input.
[[nodiscard]] RunState resting_state(RunReason reason);

}  // namespace drover::contract
