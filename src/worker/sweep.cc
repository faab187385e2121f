#include "worker/sweep.h"

#include <algorithm>
#include <utility>

#include "worker/run_journal.h"
#include "worker/run_store.h"

namespace drover::worker {

namespace {

// In one transaction; what is left is the next sweep's.
constexpr std::size_t kSettledMax = 500;

Status end_stranded(store::Transaction& transaction, broker::OutputStreams& streams,
                    RunId const& id, WallTime now) {
  auto found = find_run(transaction.db(), id);
  if (!found) return std::unexpected(found.error());
  RunRecord run = *std::move(found);
  contract::RunState const from = run.state;
  run.reason = contract::RunReason::lost;
  run.detail = "it had no place in the queue any more, so that nobody would have ended it";
  run.state = contract::resting_state(*run.reason);
  run.finished_at = now;
  run.phases.total_ms = ms_between(run.created_at, now);
  return finish_run(transaction, streams, run, from);
}

Status carry_out(store::Transaction& transaction, broker::OutputStreams& streams,
                 broker::DispatchQueue& queue, Mismatch const& mismatch, WallTime now) {
  if (mismatch.kind == Mismatch::Kind::stranded)
    return end_stranded(transaction, streams, mismatch.run, now);
  auto const outcome = queue.cancel(transaction, mismatch.run);
  if (!outcome) return std::unexpected(outcome.error());
  return {};
}

}  // namespace

Result<std::vector<Mismatch>> find_mismatches(store::Database& database) {
  auto const unfinished = unfinished_states(database);
  if (!unfinished) return std::unexpected(unfinished.error());
  auto const queued = broker::queued_runs(database);
  if (!queued) return std::unexpected(queued.error());
  return reconcile(*unfinished, *queued);
}

Result<std::vector<Mismatch>> settle(store::Transaction& transaction,
                                     broker::OutputStreams& streams, broker::DispatchQueue& queue,
                                     std::vector<Mismatch> const& seen, WallTime now) {
  auto const present = find_mismatches(transaction.db());
  if (!present) return std::unexpected(present.error());
  std::vector<Mismatch> settled;
  for (Mismatch const& mismatch : seen) {
    if (settled.size() == kSettledMax) break;
    if (std::ranges::find(*present, mismatch) == present->end()) continue;
    DROVER_TRY(carry_out(transaction, streams, queue, mismatch, now));
    settled.push_back(mismatch);
  }
  return settled;
}

}  // namespace drover::worker
