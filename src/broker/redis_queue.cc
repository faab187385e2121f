#include "broker/redis_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace drover::broker {

namespace {

using Steady = std::chrono::steady_clock;

// How long a claim of the embedded queue waits before it looks whether Redis is back.
constexpr Millis kDirectWait{500};

}  // namespace

RedisQueue::RedisQueue(EmbeddedQueue& queue, RedisRelay& relay, RedisClaimer& claimer,
                       std::function<bool()> usable, Labels labels)
    : queue_(queue),
      relay_(relay),
      claimer_(claimer),
      usable_(std::move(usable)),
      read_for_{.pools = {}, .task_types = {}, .labels = std::move(labels)} {}

Task<Result<std::optional<Claim>>> RedisQueue::begin(OfferedRun offered, ClaimRequest request) {
  relay_.taken_up(offered);
  request.only = std::move(offered);
  request.wait = Millis{0};
  co_return co_await queue_.claim(std::move(request));
}

Task<Result<std::optional<Claim>>> RedisQueue::claim(ClaimRequest request) {
  auto claims = co_await claim_many(std::move(request), 1);
  if (!claims) co_return std::unexpected(claims.error());
  if (claims->empty()) co_return std::nullopt;
  co_return std::move(claims->front());
}

Task<Result<std::vector<Claim>>> RedisQueue::claim_many(ClaimRequest request,
                                                        std::size_t claims_max) {
  if (request.only) relay_.taken_up(*request.only);
  bool const direct = request.only || request.wait == Millis{0} || request.filter != read_for_;
  if (direct) co_return co_await queue_.claim_many(std::move(request), claims_max);
  auto const deadline = Steady::now() + request.wait;
  for (;;) {
    auto const left = std::chrono::ceil<Millis>(deadline - Steady::now());
    if (!usable_()) {
      ClaimRequest now = request;
      now.wait = std::clamp(left, Millis{0}, kDirectWait);
      auto claims = co_await queue_.claim_many(std::move(now), claims_max);
      if (!claims || !claims->empty()) co_return claims;
    } else {
      auto const held = co_await claimer_.next(deadline);
      if (held) {
        auto begun = co_await begin(held->offer.offered, request);
        claimer_.done(*held);
        if (!begun) co_return std::unexpected(begun.error());
        std::vector<Claim> claims;
        if (*begun) claims.push_back(std::move(**begun));
        if (*begun) co_return claims;
      }
    }
    if (Steady::now() >= deadline) co_return std::vector<Claim>{};
  }
}

Result<Enqueued> RedisQueue::enqueue(store::Transaction& transaction, QueueEntry const& entry) {
  return queue_.enqueue(transaction, entry);
}
Result<std::vector<Enqueued>> RedisQueue::enqueue_many(store::Transaction& transaction,
                                                       std::vector<QueueEntry> const& entries) {
  return queue_.enqueue_many(transaction, entries);
}
Status RedisQueue::renew(Claim const& claim, Millis lease) {
  return queue_.renew(claim, lease);
}
Status RedisQueue::ack(store::Transaction& transaction, Claim const& claim) {
  return queue_.ack(transaction, claim);
}
Result<std::vector<RunId>> RedisQueue::ack_many(store::Transaction& transaction,
                                                std::vector<Claim> const& claims) {
  return queue_.ack_many(transaction, claims);
}
Status RedisQueue::release(store::Transaction& transaction, Claim const& claim, Millis delay) {
  return queue_.release(transaction, claim, delay);
}
Result<std::optional<Millis>> RedisQueue::retry(store::Transaction& transaction, Claim const& claim,
                                                Failure const& failure) {
  return queue_.retry(transaction, claim, failure);
}
Status RedisQueue::bury(store::Transaction& transaction, Claim const& claim, DeadReason reason,
                        std::string const& detail) {
  return queue_.bury(transaction, claim, reason, detail);
}
Result<CancelOutcome> RedisQueue::cancel(store::Transaction& transaction, RunId const& run) {
  return queue_.cancel(transaction, run);
}
Status RedisQueue::run_now(store::Transaction& transaction, RunId const& run) {
  return queue_.run_now(transaction, run);
}
Status RedisQueue::pause(store::Transaction& transaction, QueueName const& name) {
  return queue_.pause(transaction, name);
}
Status RedisQueue::resume(store::Transaction& transaction, QueueName const& name) {
  return queue_.resume(transaction, name);
}
std::vector<QueueName> RedisQueue::paused() const {
  return queue_.paused();
}
Status RedisQueue::replay(store::Transaction& transaction, RunId const& run) {
  return queue_.replay(transaction, run);
}
Result<DeadLetter> RedisQueue::take_dead(store::Transaction& transaction, RunId const& run) {
  return queue_.take_dead(transaction, run);
}
void RedisQueue::on_exit(ExitHandler handler) {
  queue_.on_exit(std::move(handler));
}
std::optional<QueueEntry> RedisQueue::find_unclaimed(RunId const& run) const {
  return queue_.find_unclaimed(run);
}
bool RedisQueue::has_group(std::string const& group) const {
  return queue_.has_group(group);
}
QueueStats RedisQueue::stats() const {
  return queue_.stats();
}
std::vector<QueueTally> RedisQueue::tallies() const {
  return queue_.tallies();
}

}  // namespace drover::broker
