#pragma once
// The dispatch queue over the store: QueueCore decides, SQLite remembers.
//
// Functions that take a Transaction belong to the writer's thread (inside a job), everything else
// to the event loop. Life: on_exit() and on_expired() first, then load(), before anything is
// enqueued. The Writer and the Clock must outlive it.
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "base/time.h"
#include "broker/dispatch_queue.h"
#include "broker/gate.h"
#include "broker/offer.h"
#include "store/writer.h"

namespace drover::broker {

enum class QueueStart : std::uint8_t {
  running,
  paused,  // as a whole, until it is resumed; nothing of this is stored
};

struct QueueOptions {
  std::size_t entries_max = 100'000;  // further ones are refused with `unavailable`
  std::size_t claimers_max = 4096;    // that wait at once; further ones are refused
  QueueLimits limits;                 // have been checked
  QueueStart start = QueueStart::running;
};

struct QueueRow;

// The most that claim_many() gives at once.
inline constexpr std::size_t kClaimBatchMax = 1000;

class EmbeddedQueue final : public DispatchQueue, public OfferSource {
 public:
  EmbeddedQueue(store::Writer& writer, Clock const& clock, boost::asio::any_io_executor loop,
                QueueOptions options = {});
  ~EmbeddedQueue() override;

  // Takes over what an earlier process left. Whatever was claimed then is claimable again, under a
  // higher epoch and before everything that was enqueued after it; that counts neither as a failed
  // attempt nor as a lost lease, because the server may be to blame. Returns the number of entries.
  Task<Result<std::size_t>> load();
  // Called on the event loop for each lease that ran out.
  void on_expired(std::function<void(ExpiredLease const&)> handler);

  Result<Enqueued> enqueue(store::Transaction& transaction, QueueEntry const& entry) override;
  Result<std::vector<Enqueued>> enqueue_many(store::Transaction& transaction,
                                             std::vector<QueueEntry> const& entries) override;
  Task<Result<std::optional<Claim>>> claim(ClaimRequest request) override;
  Task<Result<std::vector<Claim>>> claim_many(ClaimRequest request,
                                              std::size_t claims_max) override;
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

  std::vector<Offer> offerable(std::size_t most) override;
  bool stands(OfferedRun const& offered) const override;
  void on_change(std::function<void()> handler) override;

  // In place of those of the options; they have been checked. What is claimed stays so.
  void set_limits(QueueLimits limits);

  // Does what is due by the clock: leases that ran out, delays and times that are over, tokens that
  // have come. A timer of its own calls it; the simulator and tests with a manual clock do so
  // themselves.
  void tick();
  // Ends every claim() that waits, and refuses new ones: the server is going down.
  void stop();

 private:
  struct Hub;
  // What a process that is gone had claimed is marked so in its row.
  enum class Marks : std::uint8_t { forget, leave };
  Task<Result<std::size_t>> read_all(Marks marks);
  void announce(store::Transaction& transaction, std::vector<QueueRow> added);
  void remove_on_commit(store::Transaction& transaction, RunId const& run);
  // shared_ptr: hooks of commits may still be on their way to the loop when this object goes.
  std::shared_ptr<Hub> hub_;
};

}  // namespace drover::broker
