#pragma once
// The life of a unit: fetch its description, serve turns from the inbox, exit when idle.
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "unit/switchboard.h"

namespace drover::unit {

// Returns the exit status: 0 when stopped, idle or superseded, 1 when the server is gone or the
// unit cannot work; the reason is logged. `signals` as for Switchboard.
[[nodiscard]] int run_unit(Endpoint const& endpoint, Clock const& clock, Random& random,
                           int signals);

}  // namespace drover::unit
