#include "broker/embedded_queue.h"

#include <algorithm>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "broker/queue_hub.h"
#include "broker/queue_rows.h"

namespace drover::broker {

namespace asio = boost::asio;

namespace {

// The file keeps milliseconds, and memory must not know better than the file.
WallTime whole_ms(WallTime time) {
  return from_unix_ms(to_unix_ms(time));
}

QueueEntry as_stored(QueueEntry entry) {
  entry.not_before = whole_ms(entry.not_before);
  entry.enqueued_at = whole_ms(entry.enqueued_at);
  if (entry.expires_at) entry.expires_at = whole_ms(*entry.expires_at);
  return entry;
}

Error fenced(Claim const& claim) {
  return Error{ErrorCode::conflict,
               fmt::format("fenced: epoch {} of run {} holds no claim any more",
                           static_cast<std::int64_t>(claim.epoch), claim.entry.run),
               "stop this attempt; nothing it writes is accepted"};
}

// True where the claim held.
Status held(Result<bool> const& changed, Claim const& claim) {
  if (!changed) return std::unexpected(changed.error());
  if (!*changed) return std::unexpected(fenced(claim));
  return {};
}

struct Written {
  std::vector<Picked> picked;
  std::vector<Claim> claims;  // whose rows were there
};

Written make_claims(std::vector<Picked> picked, WorkerId const& worker) {
  Written all;
  for (Picked const& one : picked) {
    Claim claim;
    claim.entry = one.entry;
    claim.epoch = one.entry.epoch;
    claim.worker = worker;
    claim.lease = fmt::format("{}/{}", one.entry.run, static_cast<std::int64_t>(one.entry.epoch));
    all.claims.push_back(std::move(claim));
  }
  all.picked = std::move(picked);
  return all;
}

// A row that is gone was acknowledged or cancelled while the claim was on its way; the hook of that
// has told the core.
Status write_claims(store::Transaction& transaction, Written& all,
                    std::function<Status(store::Transaction&, Claim const&)> const& within) {
  std::vector<Claim> there;
  for (std::size_t i = 0; i < all.claims.size(); ++i) {
    Claim& claim = all.claims[i];
    auto const written =
        write_claim(transaction.db(), all.picked[i].order, claim.epoch, claim.worker);
    if (!written) return std::unexpected(written.error());
    if (!*written) continue;
    if (within) DROVER_TRY(within(transaction, claim));
    there.push_back(std::move(claim));
  }
  all.claims = std::move(there);
  return {};
}

}  // namespace

EmbeddedQueue::EmbeddedQueue(store::Writer& writer, Clock const& clock, asio::any_io_executor loop,
                             QueueOptions options)
    : hub_(std::make_shared<Hub>(writer, clock, std::move(loop), std::move(options))) {}

EmbeddedQueue::~EmbeddedQueue() {
  stop();
  hub_->timer.cancel();
}

void EmbeddedQueue::stop() {
  hub_->stopped = true;
  for (Hub::Waiter* waiter : hub_->waiters)
    waiter->timer.cancel();
}

void EmbeddedQueue::tick() {
  hub_->tick();
}

void EmbeddedQueue::set_limits(QueueLimits limits) {
  hub_->core.set_limits(std::move(limits), hub_->now());
  hub_->changed();
}

void EmbeddedQueue::on_expired(std::function<void(ExpiredLease const&)> handler) {
  hub_->expired_handler = std::move(handler);
}

void EmbeddedQueue::on_exit(ExitHandler handler) {
  DROVER_CHECK(!hub_->loaded);
  hub_->exit_handler = std::move(handler);
}

void EmbeddedQueue::on_change(std::function<void()> handler) {
  hub_->change_handler = std::move(handler);
}

std::vector<Offer> EmbeddedQueue::offerable(std::size_t most) {
  std::vector<Offer> offers;
  for (QueueEntry const* entry : hub_->core.claimable(most, hub_->now())) {
    Offer offer;
    offer.offered = {entry->run, entry->epoch};
    offer.lane = {entry->task_type, entry->pool, level_of(entry->priority), entry->labels};
    offers.push_back(std::move(offer));
  }
  return offers;
}

bool EmbeddedQueue::stands(OfferedRun const& offered) const {
  auto const seen = hub_->core.find(offered.run);
  return seen && seen->place == QueueCore::Place::ready && seen->entry->epoch == offered.after;
}

std::optional<QueueEntry> EmbeddedQueue::find_unclaimed(RunId const& run) const {
  auto const seen = hub_->core.find(run);
  bool const there =
      seen && seen->place != QueueCore::Place::claimed && seen->place != QueueCore::Place::leaving;
  if (!there) return std::nullopt;
  return *seen->entry;
}

bool EmbeddedQueue::has_group(std::string const& group) const {
  return hub_->core.has_group(group);
}

QueueStats EmbeddedQueue::stats() const {
  QueueStats stats = hub_->core.stats();
  stats.waiting_claimers = hub_->waiters.size();
  return stats;
}

std::vector<QueueTally> EmbeddedQueue::tallies() const {
  return hub_->core.tallies();
}

std::vector<QueueName> EmbeddedQueue::paused() const {
  auto const& names = hub_->core.paused();
  return {names.begin(), names.end()};
}

Task<Result<std::size_t>> EmbeddedQueue::load() {
  auto loaded = co_await read_all(Marks::forget);
  if (loaded || loaded.error().code != ErrorCode::no_space) co_return loaded;
  // What was claimed stays marked until the disk has room; nothing is claimed before that.
  hub_->marks_left = true;
  co_return co_await read_all(Marks::leave);
}

Task<Result<std::size_t>> EmbeddedQueue::read_all(Marks marks) {
  auto job = [hub = hub_, marks](store::Transaction& transaction) -> Result<std::size_t> {
    if (marks == Marks::forget) DROVER_TRY(forget_claimers(transaction.db()));
    auto rows = read_queue(transaction.db());
    if (!rows) return std::unexpected(rows.error());
    auto pauses = read_pauses(transaction.db());
    if (!pauses) return std::unexpected(pauses.error());
    std::size_t const count = rows->size();
    hub->loaded = true;
    transaction.on_commit([hub, all = std::move(*rows), names = std::move(*pauses)] {
      QueueTime const time = hub->now();
      for (QueueName const& name : names)
        hub->core.pause(name);
      for (QueueRow const& row : all)
        DROVER_CHECK(hub->core.add(row.entry, row.id, time));
      hub->changed();
    });
    return count;
  };
  co_return co_await hub_->writer->run(std::move(job));
}

Result<Enqueued> EmbeddedQueue::enqueue(store::Transaction& transaction, QueueEntry const& entry) {
  auto all = enqueue_many(transaction, {entry});
  if (!all) return std::unexpected(all.error());
  return std::move(all->front());
}

Result<std::vector<Enqueued>> EmbeddedQueue::enqueue_many(store::Transaction& transaction,
                                                          std::vector<QueueEntry> const& entries) {
  DROVER_CHECK(hub_->loaded);
  for (QueueEntry const& entry : entries)
    DROVER_TRY(check_entry(entry));
  if (hub_->depth + entries.size() > hub_->options.entries_max)
    return fail_next(ErrorCode::unavailable,
                     fmt::format("the dispatch queue is full ({} runs)", hub_->options.entries_max),
                     "wait until some have run, or add workers");
  std::vector<Enqueued> results;
  std::vector<QueueRow> added;
  WallTime const now = hub_->clock->now();
  for (QueueEntry const& entry : entries) {
    if (!entry.dedup_key.empty()) {
      auto first =
          take_dedup_key(transaction.db(), entry.dedup_key, entry.run, now, now + entry.dedup_life);
      if (!first) return std::unexpected(first.error());
      if (*first != entry.run) {
        results.push_back({*std::move(first), false});
        continue;
      }
    }
    QueueEntry stored = as_stored(entry);
    auto const order = insert_entry(transaction.db(), stored);
    if (!order) return std::unexpected(order.error());
    results.push_back({entry.run, true});
    added.push_back({std::move(stored), *order});
  }
  announce(transaction, std::move(added));
  return results;
}

// Where claimers wait, they are told before the commit, which then holds their claim as well. An
// entry that the core knows too early harms nobody: its claim is written behind it or not at all.
void EmbeddedQueue::announce(store::Transaction& transaction, std::vector<QueueRow> added) {
  auto const rows = std::make_shared<std::vector<QueueRow>>(std::move(added));
  auto add = [hub = hub_, rows] {
    QueueTime const time = hub->now();
    for (QueueRow const& row : *rows)
      DROVER_CHECK(hub->core.add(row.entry, row.id, time));
    hub->changed();
  };
  if (hub_->waiting == 0) return transaction.on_commit(std::move(add));
  transaction.on_written(std::move(add), [hub = hub_, rows] {
    for (QueueRow const& row : *rows)
      hub->core.remove(row.entry.run, hub->now());
    hub->changed();
  });
}

Task<Result<std::optional<Claim>>> EmbeddedQueue::claim(ClaimRequest request) {
  auto claims = co_await claim_many(std::move(request), 1);
  if (!claims) co_return std::unexpected(claims.error());
  if (claims->empty()) co_return std::nullopt;
  co_return std::move(claims->front());
}

Task<Result<std::vector<Claim>>> EmbeddedQueue::claim_many(ClaimRequest request,
                                                           std::size_t claims_max) {
  DROVER_CHECK(claims_max >= 1 && claims_max <= kClaimBatchMax);
  // The hub stays when the queue goes while this waits.
  std::shared_ptr<Hub> const hub = hub_;
  auto const deadline = Hub::Steady::now() + request.wait;
  for (;;) {
    if (hub->stopped)
      co_return fail(ErrorCode::unavailable,
                     "the dispatch queue gives out no work: drover is stopping");
    if (hub->marks_left) {
      // A second one that is on its way as well comes before every claim, too.
      auto const forgotten = co_await hub->writer->run(
          [](store::Transaction& transaction) { return forget_claimers(transaction.db()); });
      if (!forgotten) co_return std::unexpected(forgotten.error());
      hub->marks_left = false;
    }
    auto picked = hub->pick(request, claims_max);
    // A lease's end is to be watched no later than it is held, and so is a gate that was found
    // closed.
    hub->arm();
    if (picked.empty()) {
      if (request.only || Hub::Steady::now() >= deadline) co_return std::vector<Claim>{};
      if (hub->waiters.size() >= hub->options.claimers_max)
        co_return fail(ErrorCode::unavailable, "{} claimers wait for work, which is the limit",
                       hub->waiters.size());
      Hub::Waiter waiter{*hub, request, claims_max};
      waiter.timer.expires_at(deadline);
      co_await waiter.timer.async_wait(asio::as_tuple(asio::use_awaitable));
      picked = std::move(waiter.picked);
      auto const cancelled = co_await asio::this_coro::cancellation_state;
      if (cancelled.cancelled() != asio::cancellation_type::none ||
          (hub->stopped && !picked.empty())) {
        hub->give_back(picked);
        co_return fail(ErrorCode::cancelled, "the claim was cancelled");
      }
    }
    if (picked.empty()) continue;
    // Shared: the job may outlive this coroutine, which may be destroyed while it waits.
    auto const all = std::make_shared<Written>(make_claims(std::move(picked), request.worker));
    auto job = [all, within = request.within](store::Transaction& transaction) {
      return write_claims(transaction, *all, within);
    };
    auto const durable = co_await hub->writer->run(std::move(job));
    if (!durable) {
      hub->give_back(all->picked);
      co_return std::unexpected(durable.error());
    }
    if (!all->claims.empty()) co_return std::move(all->claims);
  }
}

Status EmbeddedQueue::renew(Claim const& claim, Millis lease) {
  auto renewed = hub_->core.renew(claim.entry.run, claim.epoch, hub_->clock->boot_now() + lease);
  if (renewed) hub_->arm();
  return renewed;
}

void EmbeddedQueue::remove_on_commit(store::Transaction& transaction, RunId const& run) {
  transaction.on_commit([hub = hub_, run] {
    hub->core.remove(run, hub->now());
    hub->changed();
  });
}

Status EmbeddedQueue::ack(store::Transaction& transaction, Claim const& claim) {
  auto const gone = delete_claimed(transaction.db(), claim.entry.run, claim.epoch);
  DROVER_TRY(held(gone, claim));
  remove_on_commit(transaction, claim.entry.run);
  return {};
}

Result<std::vector<RunId>> EmbeddedQueue::ack_many(store::Transaction& transaction,
                                                   std::vector<Claim> const& claims) {
  std::vector<RunId> done;
  std::vector<RunId> lost;
  for (Claim const& claim : claims) {
    auto const gone = delete_claimed(transaction.db(), claim.entry.run, claim.epoch);
    if (!gone) return std::unexpected(gone.error());
    (*gone ? done : lost).push_back(claim.entry.run);
  }
  transaction.on_commit([hub = hub_, done = std::move(done)] {
    QueueTime const time = hub->now();
    for (RunId const& run : done)
      hub->core.remove(run, time);
    hub->changed();
  });
  return lost;
}

namespace {

template <class Hub>
Status return_claim(std::shared_ptr<Hub> const& hub, store::Transaction& transaction,
                    Claim const& claim, Millis delay, std::int64_t failed) {
  WallTime const not_before = whole_ms(hub->clock->now() + delay);
  auto const back = put_back(transaction.db(), claim.entry.run, claim.epoch, not_before, failed);
  DROVER_TRY(held(back, claim));
  QueueCore::Back const released{.not_before = not_before, .delay = delay, .failed = failed};
  transaction.on_commit([hub, run = claim.entry.run, epoch = claim.epoch, released] {
    hub->core.release(run, epoch, released, hub->now());
    hub->changed();
  });
  return {};
}

}  // namespace

Status EmbeddedQueue::release(store::Transaction& transaction, Claim const& claim, Millis delay) {
  return return_claim(hub_, transaction, claim, delay, claim.entry.failed);
}

Result<std::optional<Millis>> EmbeddedQueue::retry(store::Transaction& transaction,
                                                   Claim const& claim, Failure const& failure) {
  std::int64_t const failed = claim.entry.failed + 1;
  auto const delay = decide_retry(claim.entry.retry, failed, failure.random, failure.retry_after);
  if (delay) {
    DROVER_TRY(return_claim(hub_, transaction, claim, *delay, failed));
  } else {
    DROVER_TRY(bury(transaction, claim, DeadReason::attempts, failure.detail));
  }
  return delay;
}

Status EmbeddedQueue::bury(store::Transaction& transaction, Claim const& claim, DeadReason reason,
                           std::string const& detail) {
  DeadLetter letter{claim.entry, reason, detail, hub_->clock->now()};
  letter.entry.failed += 1;
  letter.entry.epoch = claim.epoch;
  DROVER_TRY(held(bury_claimed(transaction.db(), letter), claim));
  remove_on_commit(transaction, claim.entry.run);
  return {};
}

Result<CancelOutcome> EmbeddedQueue::cancel(store::Transaction& transaction, RunId const& run) {
  auto const outcome = delete_unclaimed(transaction.db(), run);
  if (outcome && *outcome == CancelOutcome::removed) remove_on_commit(transaction, run);
  return outcome;
}

Status EmbeddedQueue::run_now(store::Transaction& transaction, RunId const& run) {
  DROVER_TRY(end_delay(transaction.db(), run, hub_->clock->now()));
  transaction.on_commit([hub = hub_, run] {
    hub->core.run_now(run, hub->now());
    hub->changed();
  });
  return {};
}

Status EmbeddedQueue::pause(store::Transaction& transaction, QueueName const& name) {
  DROVER_TRY(insert_pause(transaction.db(), name));
  transaction.on_commit([hub = hub_, name] { hub->core.pause(name); });
  return {};
}

Status EmbeddedQueue::resume(store::Transaction& transaction, QueueName const& name) {
  DROVER_TRY(delete_pause(transaction.db(), name));
  transaction.on_commit([hub = hub_, name] {
    hub->core.resume(name);
    hub->changed();
  });
  return {};
}

Status EmbeddedQueue::replay(store::Transaction& transaction, RunId const& run) {
  auto letter = take_dead_letter(transaction.db(), run);
  if (!letter) return std::unexpected(letter.error());
  QueueEntry entry = std::move(letter->entry);
  entry.failed = 0;
  entry.lost = 0;
  entry.expires_at.reset();
  entry.enqueued_at = entry.not_before = hub_->clock->now();
  auto const enqueued = enqueue(transaction, entry);
  if (!enqueued) return std::unexpected(enqueued.error());
  return {};
}

Result<DeadLetter> EmbeddedQueue::take_dead(store::Transaction& transaction, RunId const& run) {
  return take_dead_letter(transaction.db(), run);
}

}  // namespace drover::broker
