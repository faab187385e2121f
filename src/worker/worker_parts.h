#pragma once
// What a worker stands on: the machine it is on, and the control store wherever that is. Made once
// by the process, which outlives it.
#include "broker/redis_units.h"
#include "worker/control.h"
#include "worker/services.h"

namespace drover::worker {

struct WorkerParts {
  boost::asio::io_context& io;
  Clock const& clock;
  Random& random;
  os::BlockingPool& pool;
  os::BlockingPool& sync_pool;  // for what waits for the disk
  store::DiskReserve& reserve;  // of the disk of this worker's own state folder
  gateway::TokenKey const& tokens;
  runtime::Runtime& runtime;
  Control& control;
  WorkerOptions const& options;
  // Null: no unit is served by a third-party worker here.
  broker::RedisUnits* third_party = nullptr;
};

}  // namespace drover::worker
