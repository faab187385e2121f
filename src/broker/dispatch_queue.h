#pragma once
// The durable queue of runs: who may claim which run next.
//
// The interface; `embedded_queue.h` has the implementation over the store.
//
// The order: a higher priority first, then the order of enqueueing. An entry can be claimed once
//   - its `not_before` has come,
//   - it is the oldest entry of each of its FIFO groups. An entry stays the head of its groups
//   while
//     it is claimed and while it waits to be tried again, so a group is strictly first in, first
//     out, and at most one of its entries is claimed at a time,
//   - fewer than `concurrency_max` entries with its concurrency key are claimed.
// Each claim has a higher epoch than every earlier claim of that run.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "os/blocking_pool.h"
#include "store/writer.h"

namespace drover::broker {

struct QueueEntry {
  RunId run;
  std::string task_type;
  std::string pool;
  std::int64_t priority = 0;             // higher goes first
  std::vector<std::string> fifo_groups;  // one for the session, one for each writable workspace
  std::string concurrency_key;           // empty: none
  std::int64_t concurrency_max = 1;      // the same for all entries of one key
  WallTime not_before{};                 // whole milliseconds
  WallTime enqueued_at{};
  Epoch epoch{0};  // of the last claim; 0 before the first
};

// One bad entry is refused at the door with what is wrong: names of 1 to 200 printable ASCII
// characters, at most kGroupsMax groups.
inline constexpr std::size_t kGroupsMax = 32;
[[nodiscard]] Status check_entry(QueueEntry const& entry);

struct ClaimFilter {
  std::vector<std::string> pools;       // empty: any
  std::vector<std::string> task_types;  // empty: any
};

struct Claim {
  QueueEntry entry;  // its epoch is this claim's
  Epoch epoch{0};
  WorkerId worker;
  std::string lease;  // "<run>/<epoch>": what a remote worker shows
};

struct ClaimRequest {
  WorkerId worker;
  ClaimFilter filter;
  Millis lease{90'000};  // renewed or lost
  Millis wait{0};        // for something to claim
  // Runs in the transaction that makes the claim durable: the run's own row changes with it. An
  // error undoes the claim and is the result of claim().
  std::function<Status(store::Transaction&, Claim const&)> within;
};

enum class CancelOutcome : std::uint8_t {
  removed,  // nobody had it; it will not be claimed
  claimed,  // a worker has it: ask that worker to stop and acknowledge
  absent,   // not in the queue
};

struct ExpiredLease {
  RunId run;
  Epoch epoch{0};
  WorkerId worker;
};

struct QueueStats {
  std::size_t entries = 0;
  std::size_t ready = 0;  // could be claimed now, but for concurrency keys
  std::size_t delayed = 0;
  std::size_t claimed = 0;
  std::size_t waiting_claimers = 0;
};

// Functions that take a Transaction run inside a job of the Writer, on its thread, and take effect
// once that is durable. All others belong to the event loop.
class DispatchQueue {
 public:
  virtual ~DispatchQueue() = default;
  // conflict when the run is in the queue already; unavailable when the queue is full.
  [[nodiscard]] virtual Status enqueue(store::Transaction& transaction,
                                       QueueEntry const& entry) = 0;
  // nullopt when nothing came up within `wait`. Waiting claimers are served in order.
  [[nodiscard]] virtual Task<Result<std::optional<Claim>>> claim(ClaimRequest request) = 0;
  // conflict ("fenced") when the claim's lease was lost: stop the work.
  [[nodiscard]] virtual Status renew(Claim const& claim, Millis lease) = 0;
  // The run is done; the next of its groups can go. conflict ("fenced") when the claim was lost,
  // released or acknowledged before.
  [[nodiscard]] virtual Status ack(store::Transaction& transaction, Claim const& claim) = 0;
  // Back to the queue, at its old place, not before `delay` has passed. conflict as for ack.
  [[nodiscard]] virtual Status release(store::Transaction& transaction, Claim const& claim,
                                       Millis delay) = 0;
  [[nodiscard]] virtual Result<CancelOutcome> cancel(store::Transaction& transaction,
                                                     RunId const& run) = 0;
  [[nodiscard]] virtual QueueStats stats() const = 0;
};

}  // namespace drover::broker
