#pragma once
// The dispatch queue whose claims go by Redis: what is queued, claimed and at which epoch is the
// embedded queue's to say, and an offer from Redis says only whom it is to be asked about.
//
// While Redis cannot be used, claims are the embedded queue's own: this process needs no
// messenger to itself. On the event loop and the writer's thread, as the embedded queue.
#include <functional>

#include "broker/embedded_queue.h"
#include "broker/redis_claimer.h"
#include "broker/redis_relay.h"

namespace drover::broker {

class RedisQueue final : public DispatchQueue {
 public:
  // `usable`: whether offers come through.
  // `labels`: for which the claimer reads.
  RedisQueue(EmbeddedQueue& queue, RedisRelay& relay, RedisClaimer& claimer,
             std::function<bool()> usable, Labels labels = {});

  // A worker asks to begin what it was offered: its claim, or nullopt when that is no longer to be
  // had, and the offer is to be forgotten.
  Task<Result<std::optional<Claim>>> begin(OfferedRun offered, ClaimRequest request);

  // With a filter, with other labels, and without a wait, as the embedded queue's. One that names
  // an offer begins it.
  Task<Result<std::optional<Claim>>> claim(ClaimRequest request) override;
  Task<Result<std::vector<Claim>>> claim_many(ClaimRequest request,
                                              std::size_t claims_max) override;

  // All others are the embedded queue's.
  Result<Enqueued> enqueue(store::Transaction& transaction, QueueEntry const& entry) override;
  Result<std::vector<Enqueued>> enqueue_many(store::Transaction& transaction,
                                             std::vector<QueueEntry> const& entries) override;
  Status renew(Claim const& claim, Millis lease) override;
  Status ack(store::Transaction& transaction, Claim const& claim) override;
  Result<std::vector<RunId>> ack_many(store::Transaction& transaction,
                                      std::vector<Claim> const& claims) override;
  Status release(store::Transaction& transaction, Claim const& claim, Millis delay) override;
  Result<std::optional<Millis>> retry(store::Transaction& transaction, Claim const& claim,
                                      Failure const& failure) override;
  Status bury(store::Transaction& transaction, Claim const& claim, DeadReason reason,
              std::string const& detail) override;
  Result<CancelOutcome> cancel(store::Transaction& transaction, RunId const& run) override;
  Status run_now(store::Transaction& transaction, RunId const& run) override;
  Status pause(store::Transaction& transaction, QueueName const& name) override;
  Status resume(store::Transaction& transaction, QueueName const& name) override;
  std::vector<QueueName> paused() const override;
  Status replay(store::Transaction& transaction, RunId const& run) override;
  Result<DeadLetter> take_dead(store::Transaction& transaction, RunId const& run) override;
  void on_exit(ExitHandler handler) override;
  std::optional<QueueEntry> find_unclaimed(RunId const& run) const override;
  bool has_group(std::string const& group) const override;
  QueueStats stats() const override;
  std::vector<QueueTally> tallies() const override;

 private:
  EmbeddedQueue& queue_;
  RedisRelay& relay_;
  RedisClaimer& claimer_;
  std::function<bool()> usable_;
  ClaimFilter const read_for_;
};

}  // namespace drover::broker
