#pragma once
// How a turn ended, and what follows from it: the decision of the supervisor, without I/O.
#include <cstdint>
#include <string>

#include "base/time.h"
#include "contract/run.h"
#include "worker/records.h"

namespace drover::worker {

// What was seen of a turn.
struct TurnEnd {
  enum class Kind : std::uint8_t {
    done,           // the unit said so, with `reason`
    unit_lost,      // it exited or was killed without a word
    out_of_memory,  // likewise, and the memory limit says why
    over_disk,      // likewise, and the limit of its workspaces says why
    start_failed,   // no unit came up
    misplaced,      // not on this machine: a folder of the run, its resident agent
    no_space,       // a disk that the unit writes to is full
    timed_out,      // the run's deadline passed
    silent,         // the unit said nothing for too long
    cancelled,      // somebody asked for it
    server_stops,   // drover itself is going down
    fenced,         // a newer attempt has taken over
  };
  Kind kind = Kind::done;
  contract::RunReason reason = contract::RunReason::unit_failed;  // Kind::done: the unit's word
  bool ok = false;                                                // Kind::done
  bool reached_unit = false;  // Kind::no_space: so that there may be changes
  std::string detail;
};

enum class TreeAction : std::uint8_t {
  commit,     // the change is the run's result
  set_aside,  // keep it on a rescue ref and give the tree back as it was
  leave       // the next attempt goes on with it
};

struct Outcome {
  // terminal; `waiting` for the user; or `queued` for another attempt.
  contract::RunState state = contract::RunState::failed;
  contract::RunReason reason = contract::RunReason::internal;
  TreeAction tree = TreeAction::leave;
  bool keep_unit = false;  // warm for the session's next turn
  bool fenced = false;     // write nothing at all
  bool counts = true;      // queued: as one of the attempts that a run has
  Millis delay{0};         // queued: not before
  std::string detail;
};

// Failures that another attempt may mend; when there is none left, the run is a dead letter.
[[nodiscard]] bool counts_as_attempt(contract::RunReason reason);

// `attempts` counts this one; a run whose unit is lost or silent is tried again below the maximum.
[[nodiscard]] Outcome decide(TurnEnd const& end, std::int64_t attempts, std::int64_t attempts_max);

// A run that was cut off while its change was being governed goes on from there.
[[nodiscard]] Outcome resume_committing(RunRecord const& run);

}  // namespace drover::worker
