#include "worker/watchdog.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "worker/end_write.h"
#include "worker/sweep.h"
#include "worker/waiting.h"

namespace drover::worker {

namespace {

constexpr std::chrono::minutes kSweepEvery{1};

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
  auto const seen = co_await services_.readers.run(
      [](store::Database& database) { return find_mismatches(database); });
  if (!seen) co_return std::unexpected(seen.error());
  if (seen->empty()) co_return Status{};
  auto job = [this, seen = *seen](store::Transaction& transaction) {
    return settle(transaction, services_.streams, services_.queue, seen, services_.clock.now());
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
