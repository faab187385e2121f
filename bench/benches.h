#pragma once
// The benchmarks. Each fills the report with what it measures; on an error the report holds what
// was measured until then.
#include "base/error.h"
#include "figures.h"

namespace drover::bench {

// Dispatch to the unit's first event, in a new session and in a warm one, beside other starts.
[[nodiscard]] Status run_cold_start(Report& report);
// The native loop against a model that answers at once.
[[nodiscard]] Status run_loop(Report& report);
// Appended to seen by clients over HTTP.
[[nodiscard]] Status run_events(Report& report);
// Governed commits of three changed files.
[[nodiscard]] Status run_commit(Report& report);
// The dispatch queue, beside raw Redis Streams and BullMQ.
[[nodiscard]] Status run_dispatch(Report& report);
// Steps of workflows, by the length of their runs.
[[nodiscard]] Status run_replay(Report& report);
// Thousands of workflows on one server that wait, step, and are taken up again.
[[nodiscard]] Status run_workflows(Report& report);
// Recording what is due, and the steps of people, with 100 000 schedules in the store.
[[nodiscard]] Status run_schedules(Report& report);

// A look of the fleet's reconciler, and what it takes to make containers, beside a shell.
[[nodiscard]] Status run_reconcile(Report& report);

// Runs dispatched without a pause while server, units, disk and Redis go away: nothing is lost and
// nothing done twice, or it is an error.
[[nodiscard]] Status run_chaos(Report& report);

}  // namespace drover::bench
