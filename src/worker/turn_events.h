#pragma once
// What a unit said becomes part of the run's stream, and of what is known of its turn.
//
// On the event loop.
#include "worker/turn.h"
#include "worker/unit_events.h"
#include "worker/worker_parts.h"

namespace drover::worker {

// Returns once the events are durable; the first of a turn makes the run `running`. conflict when
// the turn has had its done event or its attempt is superseded, no_space when they are to be tried
// again.
Task<Status> store_unit_batch(WorkerParts const& parts, TurnPtr turn, UnitBatch batch);

}  // namespace drover::worker
