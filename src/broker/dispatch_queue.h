#pragma once
// The durable queue of runs: who may claim which run next.
//
// The interface; `embedded_queue.h` has the implementation over the store.
//
// An entry can be claimed once
//   - its `not_before` has come,
//   - it is the oldest entry of each of its FIFO groups. An entry stays the head of its groups
//   while
//     it is claimed and while it waits to be tried again, so a group is strictly first in, first
//     out, and at most one of its entries is claimed at a time,
//   - each of its concurrency keys, its tenant and the queue as a whole have a slot and a token
//     (`gate.h`). One that waits for them holds up nothing but what waits for the same,
//   - its task type and its pool are not paused;
// and only by whoever has the labels that it asks for.
// Of those that can be claimed, the order is: the higher level of priority (`priority.h`); within
// the level the tenant whose turn it is by its weight (`fair_order.h`); of a tenant the oldest.
// No level starves: one that was passed over kPassedMax times by higher ones goes first.
// Each claim has a higher epoch than every earlier claim of that run.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "broker/labels.h"
#include "broker/retry_policy.h"
#include "os/blocking_pool.h"
#include "store/writer.h"

namespace drover::broker {

// How often a pool's and task type's entries of one level can be passed over, by claims that could
// have had them, before they go first. Where several have waited so long, each of them goes once
// before one goes twice.
inline constexpr std::int64_t kPassedMax = 16;

struct ConcurrencyKey {
  std::string name;
  // So many entries with the key may be claimed at once. Where the entries in the queue say
  // different numbers, the lowest holds; where the key is configured, that does.
  std::int64_t max = 1;
  friend bool operator==(ConcurrencyKey const&, ConcurrencyKey const&) = default;
};

struct QueueEntry {
  RunId run;
  std::string task_type;
  std::string pool;
  Labels labels;                         // that whoever claims it must have
  std::string tenant;                    // empty: a tenant like any other
  std::int64_t priority = 0;             // priority.h
  std::vector<std::string> fifo_groups;  // one for the session, one for each writable workspace
  std::vector<ConcurrencyKey> keys;
  WallTime not_before{};  // whole milliseconds
  WallTime enqueued_at{};
  // An entry that nobody has claimed by then leaves the queue as expired. Once it has been claimed
  // the time no longer counts, also when it comes back.
  std::optional<WallTime> expires_at;
  RetryPolicy retry;
  std::int64_t failed = 0;    // attempts, by retry()
  std::int64_t lost = 0;      // claims whose lease ran out
  std::int64_t lost_max = 5;  // then it is poison, and a dead letter
  // While `dedup_life` lasts, counted from its enqueueing, another entry with this key is not
  // enqueued, whatever became of the first. Empty: none.
  std::string dedup_key;
  Millis dedup_life{0};
  Epoch epoch{0};  // of the last claim; 0 before the first
};

// One bad entry is refused at the door with what is wrong: names of 1 to 200 printable ASCII
// characters, at most kGroupsMax groups and kKeysMax keys.
inline constexpr std::size_t kGroupsMax = 40;  // a session's, 32 workspaces', and of its own
inline constexpr std::size_t kKeysMax = 8;
inline constexpr Millis kDedupLifeMax{366LL * 24 * 3600 * 1000};
[[nodiscard]] Status check_entry(QueueEntry const& entry);

struct Enqueued {
  RunId run;          // the entry's; of a duplicate, that of the first
  bool added = true;  // false: a duplicate, and nothing was written
};

// Entries that the same workers can have.
struct QueueLane {
  std::string task_type;
  std::string pool;
  Labels labels{};
  friend auto operator<=>(QueueLane const&, QueueLane const&) = default;
};
[[nodiscard]] QueueLane lane_of(QueueEntry const& entry);

struct ClaimFilter {
  std::vector<std::string> pools;       // empty: any
  std::vector<std::string> task_types;  // empty: any
  Labels labels{};                      // that the worker has
  friend bool operator==(ClaimFilter const&, ClaimFilter const&) = default;
};
[[nodiscard]] bool admits(ClaimFilter const& filter, QueueLane const& lane);

// One entry as it stood when somebody was told of it: nobody has claimed it since epoch `after`.
struct OfferedRun {
  RunId run;
  Epoch after{0};
  friend bool operator==(OfferedRun const&, OfferedRun const&) = default;
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
  // Only this entry, now or not at all, if it passes the filter; `wait` does not count.
  std::optional<OfferedRun> only;
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
  std::int64_t lost = 0;  // how often now
  bool poison = false;    // too often: it is on its way to the dead letters
};

struct Failure {
  std::string detail;                 // for people
  std::optional<Millis> retry_after;  // what the failure itself asks for
  std::uint64_t random = 0;           // 64 random bits, for the jitter
};

enum class DeadReason : std::uint8_t {
  attempts,  // it used up its attempts
  poison,    // its claims' leases ran out `lost_max` times
  rejected,  // its worker said that another attempt is no use
};
[[nodiscard]] std::string_view to_string(DeadReason reason);

struct DeadLetter {
  QueueEntry entry;
  DeadReason reason = DeadReason::attempts;
  std::string detail;
  WallTime died_at;
};

struct DeadLetterFilter {
  std::string task_type;  // empty: any
  std::string tenant;     // empty: any
  std::string before;     // those that died before this run
  std::int64_t limit = 50;
};

// An entry that left the queue without a claim that could say so.
struct QueueExit {
  enum class Kind : std::uint8_t { expired, dead };
  Kind kind = Kind::expired;
  QueueEntry entry;
  DeadReason reason = DeadReason::poison;  // of the dead
};
// Runs in the transaction that takes the entry out, so that the run ends with its reason. An error
// undoes it; it is tried again.
using ExitHandler = std::function<Status(store::Transaction&, QueueExit const&)>;

// A part of the queue that can be paused.
struct QueueName {
  enum class Kind : std::uint8_t { all, pool, task_type };
  Kind kind = Kind::all;
  std::string name;  // of the pool or task type
  friend auto operator<=>(QueueName const&, QueueName const&) = default;
  // "all", "pool:NAME", "type:NAME".
  [[nodiscard]] std::string str() const;
  [[nodiscard]] static Result<QueueName> parse(std::string_view text);
};

struct QueueStats {
  std::size_t entries = 0;
  std::size_t ready = 0;  // could be claimed now, but for keys, limits and pauses
  std::size_t delayed = 0;
  std::size_t claimed = 0;
  std::size_t waiting_claimers = 0;
};

// Of one pool, task type and tenant.
struct QueueTally {
  std::string pool;
  std::string task_type;
  std::string tenant;
  std::size_t entries = 0;
  std::size_t ready = 0;
  std::size_t delayed = 0;
  std::size_t claimed = 0;
  std::optional<WallTime> oldest;  // enqueued, of those that are there
  bool paused = false;
};

// Functions that take a Transaction run inside a job of the Writer, on its thread, and take effect
// once that is durable. All others belong to the event loop.
class DispatchQueue {
 public:
  virtual ~DispatchQueue() = default;
  // conflict when the run is in the queue already; unavailable when the queue is full.
  [[nodiscard]] virtual Result<Enqueued> enqueue(store::Transaction& transaction,
                                                 QueueEntry const& entry) = 0;
  // In this order. An error is for all of them: the job must return it, and so undo them.
  [[nodiscard]] virtual Result<std::vector<Enqueued>> enqueue_many(
      store::Transaction& transaction, std::vector<QueueEntry> const& entries) = 0;
  // nullopt when nothing came up within `wait`. Waiting claimers are served in order.
  [[nodiscard]] virtual Task<Result<std::optional<Claim>>> claim(ClaimRequest request) = 0;
  // What can be claimed now, up to `claims_max` at once and made durable together; as for claim(),
  // waits for the first. Empty when nothing came up. When `within` fails for one, all are undone.
  [[nodiscard]] virtual Task<Result<std::vector<Claim>>> claim_many(ClaimRequest request,
                                                                    std::size_t claims_max) = 0;
  // conflict ("fenced") when the claim's lease was lost: stop the work.
  [[nodiscard]] virtual Status renew(Claim const& claim, Millis lease) = 0;
  // The run is done; the next of its groups can go. conflict ("fenced") when the claim was lost,
  // released or acknowledged before.
  [[nodiscard]] virtual Status ack(store::Transaction& transaction, Claim const& claim) = 0;
  // Those that hold are done. Returns the runs whose claim was lost, for which nothing changed.
  [[nodiscard]] virtual Result<std::vector<RunId>> ack_many(store::Transaction& transaction,
                                                            std::vector<Claim> const& claims) = 0;
  // Back to the queue, at its old place, not before `delay` has passed. No attempt was used: the
  // worker goes away, the run is not to blame. conflict as for ack.
  [[nodiscard]] virtual Status release(store::Transaction& transaction, Claim const& claim,
                                       Millis delay) = 0;
  // The attempt failed. Back to the queue after the delay that its policy says, which is returned;
  // or, when its attempts are used up, out of it and into the dead letters (nullopt). conflict as
  // for ack.
  [[nodiscard]] virtual Result<std::optional<Millis>> retry(store::Transaction& transaction,
                                                            Claim const& claim,
                                                            Failure const& failure) = 0;
  // Out of the queue and into the dead letters. conflict as for ack.
  [[nodiscard]] virtual Status bury(store::Transaction& transaction, Claim const& claim,
                                    DeadReason reason, std::string const& detail) = 0;
  [[nodiscard]] virtual Result<CancelOutcome> cancel(store::Transaction& transaction,
                                                     RunId const& run) = 0;
  // Its delay is over. not_found when it is not in the queue, conflict when it is claimed.
  [[nodiscard]] virtual Status run_now(store::Transaction& transaction, RunId const& run) = 0;

  // Paused parts stay so over a restart. What is claimed goes on. Pausing twice changes nothing.
  [[nodiscard]] virtual Status pause(store::Transaction& transaction, QueueName const& name) = 0;
  [[nodiscard]] virtual Status resume(store::Transaction& transaction, QueueName const& name) = 0;
  [[nodiscard]] virtual std::vector<QueueName> paused() const = 0;

  // Back into the queue at its end, with all its attempts, under a higher epoch at its next claim.
  // not_found; conflict when the run is in the queue again.
  [[nodiscard]] virtual Status replay(store::Transaction& transaction, RunId const& run) = 0;
  // Out of the dead letters for good, whether to be enqueued as another run or not. not_found.
  [[nodiscard]] virtual Result<DeadLetter> take_dead(store::Transaction& transaction,
                                                     RunId const& run) = 0;

  virtual void on_exit(ExitHandler handler) = 0;
  // An entry that is there and that nobody has claimed.
  [[nodiscard]] virtual std::optional<QueueEntry> find_unclaimed(RunId const& run) const = 0;
  // Whether an entry of that FIFO group is in the queue, claimed or not.
  [[nodiscard]] virtual bool has_group(std::string const& group) const = 0;
  [[nodiscard]] virtual QueueStats stats() const = 0;
  [[nodiscard]] virtual std::vector<QueueTally> tallies() const = 0;
};

}  // namespace drover::broker
