#pragma once
// The queue's limits as documents of queue.v1. Pure.
#include "base/json.h"
#include "broker/gate.h"

namespace drover::worker {

// invalid_argument with the JSON pointer of what does not fit.
[[nodiscard]] Result<broker::QueueLimits> parse_queue_limits(json::value const& value);
// What is not limited is left out.
[[nodiscard]] json::object to_json(broker::QueueLimits const& limits);

}  // namespace drover::worker
