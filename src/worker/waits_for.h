#pragma once
// Why a run that is queued is taken by nobody: who is there, against what it asks for. Pure.
#include <string>
#include <vector>

#include "broker/dispatch_queue.h"

namespace drover::worker {

// "waits for a worker with gpu=a100"; empty where one of those present takes such runs.
[[nodiscard]] std::string waits_for(broker::QueueLane const& lane,
                                    std::vector<broker::ClaimFilter> const& present);

}  // namespace drover::worker
