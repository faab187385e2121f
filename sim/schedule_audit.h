#pragma once
// What has to hold of the firings of cron schedules, however the clock was set and the server
// ended:
//   storm  no nominal time has two firings, and one round records no more than the policy says
//   skip   no nominal time between the first and the last is passed over without a record
//   run    what succeeded has a run
#include "sim/trace.h"
#include "store/database.h"

namespace drover::sim {

void inspect_schedules(store::Database& database, Trace& trace);

}  // namespace drover::sim
