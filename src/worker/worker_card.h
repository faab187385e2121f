#pragma once
// What a worker says of itself when it joins. A value.
#include <string>

#include "base/id.h"
#include "broker/dispatch_queue.h"

namespace drover::worker {

struct WorkerCard {
  WorkerId id;
  std::string host;
  std::string mode;  // empty: as its pool says
  std::size_t slots = 0;
  broker::ClaimFilter filter;  // with its labels
};

}  // namespace drover::worker
