#pragma once
// The decisions of the dispatch queue, without I/O: time and results of I/O come in as arguments.
//
// What is here: which entries are there, their FIFO groups, delays, leases and ends. Which of those
// that could go is the next is ReadyOrder's.
//
// Not thread-safe; lives on the event loop. Every operation is O(log n) in the number of entries,
// plus the entry's groups and what ReadyOrder says; set_limits() is O(n log n).
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "broker/dispatch_queue.h"
#include "broker/ready_order.h"

namespace drover::broker {

struct QueueTime {
  WallTime wall;
  BootTime boot;
};

// A claimed entry and its place in the order of enqueueing, which is also its row's id.
struct Picked {
  QueueEntry entry;
  Order order = 0;
};

class QueueCore {
 public:
  enum class Place : std::uint8_t {
    blocked,  // another entry is the head of one of its groups
    delayed,
    ready,  // could go, as far as keys, limits and pauses let it
    claimed,
    leaving,  // nobody gets it any more; the store has still to know
  };

  explicit QueueCore(QueueLimits limits = {}, BootTime started = {});

  // `order` is above that of every entry added before. Returns false, and changes nothing, when the
  // run is there already.
  bool add(QueueEntry entry, Order order, QueueTime now);
  // The next entry for this filter, now claimed with a higher epoch, or nullopt.
  [[nodiscard]] std::optional<Picked> claim(ClaimFilter const& filter, WorkerId const& worker,
                                            BootTime lease_until, QueueTime now);
  // This very entry, if it could be claimed now and nobody has claimed it since `after`.
  [[nodiscard]] std::optional<Picked> claim_offered(OfferedRun const& offered,
                                                    ClaimFilter const& filter,
                                                    WorkerId const& worker, BootTime lease_until,
                                                    QueueTime now);
  // Entries that could be claimed now: of each lane and level the first `most`, in order (see
  // ReadyOrder::preview).
  [[nodiscard]] std::vector<QueueEntry const*> claimable(std::size_t most, QueueTime now);
  // conflict unless the run is claimed with exactly this epoch.
  [[nodiscard]] Status renew(RunId const& run, Epoch epoch, BootTime lease_until);
  // Back to its place; `failed` is how many of its attempts have failed. It can go again after
  // `delay`, whatever becomes of the wall clock; `not_before` is what the store says for a later
  // process. Ignored unless the run is claimed with exactly this epoch.
  struct Back {
    WallTime not_before;
    Nanos delay{0};
    std::int64_t failed = 0;
  };
  void release(RunId const& run, Epoch epoch, Back back, QueueTime now);
  // Its delay is over. Ignored unless it waits.
  void run_now(RunId const& run, QueueTime now);
  // Out of the queue, in whatever place. False when it was not there.
  bool remove(RunId const& run, QueueTime now);

  // Claims whose lease has passed go back to their places, or are leaving where that is their
  // poison.
  [[nodiscard]] std::vector<ExpiredLease> expire(QueueTime now);
  // Entries whose time to be claimed is over; they are leaving.
  [[nodiscard]] std::vector<QueueEntry> take_overdue(QueueTime now);
  // Entries whose `not_before` has come become ready, gates whose next token has come open.
  void wake(QueueTime now);

  // From now on. What is claimed stays so, also above its new limit.
  void set_limits(QueueLimits limits, QueueTime now);

  void pause(QueueName const& name) { ready_.pause(name); }
  void resume(QueueName const& name) { ready_.resume(name); }
  [[nodiscard]] std::set<QueueName> const& paused() const { return ready_.paused(); }

  // How long until expire(), take_overdue() or wake() has something to do; nullopt when nothing is
  // pending.
  [[nodiscard]] std::optional<Nanos> next_due(QueueTime now) const;
  // Whether that depends on the wall clock, which may be set.
  [[nodiscard]] bool waits_for_wall() const { return !delayed_.empty() || !expiring_.empty(); }
  // Whether claim() might find something. False is certain.
  [[nodiscard]] bool maybe_ready() const { return ready_.maybe_ready(); }

  struct Seen {
    QueueEntry const* entry;  // until the next change
    Place place;
  };
  [[nodiscard]] std::optional<Seen> find(RunId const& run) const;
  // Claimed entries with this concurrency key; "" for all.
  [[nodiscard]] std::int64_t claimed(std::string const& key) const { return ready_.claimed(key); }
  [[nodiscard]] bool has_group(std::string const& group) const { return groups_.contains(group); }
  [[nodiscard]] QueueStats stats() const;
  [[nodiscard]] std::vector<QueueTally> tallies() const;

 private:
  static constexpr std::size_t kPlaces = 5;
  using Counts = std::array<std::size_t, kPlaces>;
  struct Tally {
    Counts counts{};
    std::set<Order> orders;
  };
  using TallyName = std::tuple<std::string, std::string, std::string>;  // pool, type, tenant
  struct Node {
    QueueEntry entry;
    Order order = 0;
    Place place = Place::blocked;
    WorkerId worker;
    BootTime lease_until;
    // Once it has been claimed, its own `not_before` has come, for good: from then on this counts.
    std::optional<BootTime> again_at;
    Tally* tally = nullptr;
  };

  [[nodiscard]] bool is_head(Node const& node) const;
  [[nodiscard]] static bool is_due(Node const& node, QueueTime now);
  [[nodiscard]] Node* find_node(RunId const& run);
  [[nodiscard]] Node* find_claimed(RunId const& run, Epoch epoch);
  [[nodiscard]] Picked hold(Node& node, WorkerId const& worker, BootTime lease_until);
  void set_place(Node& node, Place place);
  void place(Node& node, QueueTime now);
  void displace(Node& node, QueueTime now);
  void forget_tally(Node const& node);
  void advance_groups(std::vector<std::string> const& groups, Order order, QueueTime now);

  ReadyOrder ready_;
  std::map<Order, Node> nodes_;
  std::unordered_map<RunId, Order> order_by_run_;
  std::map<std::string, std::set<Order>> groups_;  // the first is the head
  std::map<TallyName, Tally> tallies_;
  Counts counts_{};
  std::set<std::pair<WallTime, Order>> delayed_;   // before their first claim
  std::set<std::pair<BootTime, Order>> retrying_;  // after it
  std::set<std::pair<WallTime, Order>> expiring_;  // not claimed yet, with a time to be so
  std::set<std::pair<BootTime, Order>> leases_;
};

}  // namespace drover::broker
