#pragma once
// What the driver keeps of a run while that is driven. Only for driver.cc and driver_requests.cc.
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "driver/driver.h"

namespace drover::driver {

// Something to be done to a run by its next look.
struct Driver::Request {
  Act act;
  std::optional<Result<json::value>> reply{};
};

struct Driver::Run {
  Run(WorkflowRecord of, DriverOptions const& options, Clock const& clock, Random& random)
      : record(std::move(of)),
        driven(std::make_shared<DrivenRun>(workflow::RunFolder{record.folder}, options.host, clock,
                                           random)) {}

  WorkflowRecord record;
  std::shared_ptr<DrivenRun> driven;  // shared with the pool's work on it
  std::deque<std::shared_ptr<Request>> requests{};
  std::map<std::string, Carrier> under_way{};
  std::optional<std::int64_t> timer_ms{};
  std::uint64_t rested_at = 0;  // the journal's last entry when it was last looked at
  std::uint64_t heard_of = 0;   // and the last that the watch told of
  Weight weight = Weight::light;
  bool is_in_memory = false;
  unsigned failures = 0;
  bool step = false;
  bool looked_at = false;
  bool busy = false;
  bool over = false;
};

}  // namespace drover::driver
