#pragma once
// The dispatch queue over the store: QueueCore decides, SQLite remembers.
//
// enqueue(), ack(), release() and cancel() belong to the writer's thread (inside a job), everything
// else to the event loop.
// Life: load() comes first, before anything is enqueued. The Writer and the Clock must outlive it.
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "base/time.h"
#include "broker/dispatch_queue.h"
#include "store/writer.h"

namespace drover::broker {

struct QueueOptions {
  std::size_t entries_max = 100'000;  // further ones are refused with `unavailable`
  std::size_t claimers_max = 4096;    // that wait at once; further ones are refused
};

class EmbeddedQueue final : public DispatchQueue {
 public:
  EmbeddedQueue(store::Writer& writer, Clock const& clock, boost::asio::any_io_executor loop,
                QueueOptions options = {});
  ~EmbeddedQueue() override;

  // Takes over what an earlier process left. Whatever was claimed then is claimable again, under a
  // higher epoch and before everything that was enqueued after it. Returns the number of entries.
  Task<Result<std::size_t>> load();
  // Called on the event loop for each lease that ran out, after its entry went back to the queue.
  void on_expired(std::function<void(ExpiredLease const&)> handler);

  Status enqueue(store::Transaction& transaction, QueueEntry const& entry) override;
  Task<Result<std::optional<Claim>>> claim(ClaimRequest request) override;
  Status renew(Claim const& claim, Millis lease) override;
  Status ack(store::Transaction& transaction, Claim const& claim) override;
  Status release(store::Transaction& transaction, Claim const& claim, Millis delay) override;
  Result<CancelOutcome> cancel(store::Transaction& transaction, RunId const& run) override;
  QueueStats stats() const override;

  // Does what is due by the clock: leases that ran out, delays that are over. A timer of its own
  // calls it; the simulator and tests with a manual clock do so themselves.
  void tick();
  // Ends every claim() that waits, and refuses new ones: the server is going down.
  void stop();

 private:
  struct Hub;
  // shared_ptr: hooks of commits may still be on their way to the loop when this object goes.
  std::shared_ptr<Hub> hub_;
};

}  // namespace drover::broker
