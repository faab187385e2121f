#include "worker/watchdog.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "worker/end_write.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"
#include "worker/waiting.h"

namespace drover::worker {

namespace {

constexpr std::chrono::minutes kSweepEvery{1};
// In one transaction; what is left is the next sweep's.
constexpr std::size_t kSettledMax = 500;

Result<std::vector<Mismatch>> look(store::Database& database) {
  auto const unfinished = unfinished_states(database);
  if (!unfinished) return std::unexpected(unfinished.error());
  auto const queued = broker::queued_runs(database);
  if (!queued) return std::unexpected(queued.error());
  return reconcile(*unfinished, *queued);
}

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

Status carry_out(store::Transaction& transaction, Services const& services,
                 Mismatch const& mismatch) {
  if (mismatch.kind == Mismatch::Kind::stranded)
    return end_stranded(transaction, services.streams, mismatch.run, services.clock.now());
  auto const outcome = services.queue.cancel(transaction, mismatch.run);
  if (!outcome) return std::unexpected(outcome.error());
  return {};
}

// What was seen before and is still so, up to kSettledMax: runs end while others look.
Result<std::vector<Mismatch>> settle(store::Transaction& transaction, Services const& services,
                                     std::vector<Mismatch> const& seen) {
  auto const present = look(transaction.db());
  if (!present) return std::unexpected(present.error());
  std::vector<Mismatch> settled;
  for (Mismatch const& mismatch : seen) {
    if (settled.size() == kSettledMax) break;
    if (std::ranges::find(*present, mismatch) == present->end()) continue;
    DROVER_TRY(carry_out(transaction, services, mismatch));
    settled.push_back(mismatch);
  }
  return settled;
}

void report(Mismatch const& mismatch) {
  if (mismatch.kind == Mismatch::Kind::stranded) {
    log::error("run-stranded", {{"run", mismatch.run}, {"action", "ended as lost"}});
  } else {
    log::error("place-left-over", {{"run", mismatch.run}, {"action", "taken out of the queue"}});
  }
}

}  // namespace

Watchdog::Watchdog(Services const& services)
    : services_(services), stopped_(services.io.get_executor()) {}

Task<Status> Watchdog::settle_all() {
  auto const seen =
      co_await services_.readers.run([](store::Database& database) { return look(database); });
  if (!seen) co_return std::unexpected(seen.error());
  if (seen->empty()) co_return Status{};
  auto job = [this, seen = *seen](store::Transaction& transaction) {
    return settle(transaction, services_, seen);
  };
  auto const settled = co_await write_of_end(services_, std::move(job));
  if (!settled) co_return std::unexpected(settled.error());
  for (Mismatch const& mismatch : *settled)
    report(mismatch);
  co_return Status{};
}

Task<Status> Watchdog::end_unanswered() {
  auto job = [this](store::Transaction& transaction) {
    return expire_waiting(transaction, services_.streams, services_.clock.now());
  };
  auto const ended = co_await write_of_end(services_, std::move(job));
  if (!ended) co_return std::unexpected(ended.error());
  if (*ended > 0) log::info("questions-expired", {{"runs", *ended}});
  co_return Status{};
}

Task<void> Watchdog::sweep() {
  auto const ended = co_await end_unanswered();
  if (!ended) log::warn("questions-not-looked-at", {{"reason", ended.error().text()}});
  auto const settled = co_await settle_all();
  if (!settled) log::warn("runs-not-reconciled", {{"reason", settled.error().text()}});
}

Task<void> Watchdog::run() {
  while (!stopping_) {
    auto const seen = stopped_.version();
    co_await stopped_.wait(seen, std::chrono::steady_clock::now() + kSweepEvery);
    if (stopping_) co_return;
    co_await sweep();
  }
}

void Watchdog::stop() {
  stopping_ = true;
  stopped_.notify();
}

}  // namespace drover::worker
