#pragma once
// The decisions of the dispatch queue, without I/O: time and results of I/O come in as arguments.
//
// Not thread-safe; lives on the event loop. Every operation is O(log n) in the number of entries,
// plus the entry's groups and the lanes (pairs of pool and task type) that exist.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "broker/dispatch_queue.h"

namespace drover::broker {

struct QueueTime {
  WallTime wall;
  BootTime boot;
};

// A claimed entry and its place in the order of enqueueing, which is also its row's id.
struct Picked {
  QueueEntry entry;
  std::int64_t order = 0;
};

class QueueCore {
 public:
  // `order` is above that of every entry added before. Returns false, and changes nothing, when the
  // run is there already.
  bool add(QueueEntry entry, std::int64_t order, QueueTime now);
  // The next entry for this filter, now claimed with a higher epoch, or nullopt.
  [[nodiscard]] std::optional<Picked> claim(ClaimFilter const& filter, WorkerId const& worker,
                                            BootTime lease_until, QueueTime now);
  // conflict unless the run is claimed with exactly this epoch.
  [[nodiscard]] Status renew(RunId const& run, Epoch epoch, BootTime lease_until);
  // Back to its place. Ignored unless the run is claimed with exactly this epoch.
  void release(RunId const& run, Epoch epoch, WallTime not_before, QueueTime now);
  // Out of the queue, claimed or not. False when it was not there.
  bool remove(RunId const& run, QueueTime now);
  // Claims whose lease has passed go back to their places.
  [[nodiscard]] std::vector<ExpiredLease> expire(QueueTime now);
  // Entries whose `not_before` has come become ready.
  void wake_delayed(QueueTime now);

  // How long until expire() or wake_delayed() has something to do; nullopt when nothing is pending.
  [[nodiscard]] std::optional<Nanos> next_due(QueueTime now) const;
  [[nodiscard]] bool has_ready() const { return ready_count_ > 0; }
  [[nodiscard]] QueueStats stats() const;

 private:
  enum class Place : std::uint8_t {
    blocked,  // another entry is the head of one of its groups
    delayed,
    ready,
    parked,  // was ready when its concurrency key was full
    claimed,
  };
  struct Rank {  // of two, the smaller goes first
    std::int64_t priority_negated = 0;
    std::int64_t order = 0;
    friend auto operator<=>(Rank const&, Rank const&) = default;
  };
  using Ranks = std::set<Rank>;
  struct Node {
    QueueEntry entry;
    std::int64_t order = 0;
    Place place = Place::blocked;
    WorkerId worker;
    BootTime lease_until;
  };
  struct Lane {
    std::string pool;
    std::string task_type;
    friend auto operator<=>(Lane const&, Lane const&) = default;
  };
  struct Key {
    std::int64_t claimed = 0;
    std::map<Lane, Ranks> parked;
  };

  [[nodiscard]] static Rank rank_of(Node const& node);
  [[nodiscard]] static Lane lane_of(Node const& node);
  [[nodiscard]] static bool matches(ClaimFilter const& filter, Lane const& lane);
  [[nodiscard]] bool is_head(Node const& node) const;
  [[nodiscard]] bool key_is_full(Node const& node) const;
  [[nodiscard]] Node* find(RunId const& run);
  [[nodiscard]] Node* find_claimed(RunId const& run, Epoch epoch);
  [[nodiscard]] Node* best_of(Ranks& ranks);
  void place(Node& node, QueueTime now);
  void displace(Node& node);
  void make_ready(Node& node);
  void park(Node& node);
  void unpark(std::string const& key);
  void return_claimed(Node& node, QueueTime now);
  void drop_empty(std::string const& key);

  std::map<std::int64_t, Node> nodes_;  // by order
  std::unordered_map<RunId, std::int64_t> order_by_run_;
  std::map<std::string, std::set<std::int64_t>> groups_;  // orders; the first is the head
  std::map<Lane, Ranks> ready_;
  std::map<std::string, Key> keys_;
  std::set<std::pair<WallTime, std::int64_t>> delayed_;
  std::set<std::pair<BootTime, std::int64_t>> leases_;
  std::size_t ready_count_ = 0;
};

}  // namespace drover::broker
