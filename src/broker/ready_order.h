#pragma once
// Which of the entries that could go is the next, and what it has to pass. Pure.
//
// Entries of one lane (task type, pool, labels asked for) and level are a bucket. In it, entries of
// one tenant that have to pass the same gates stand in one line, oldest first: when its head cannot
// pass, none of them can. A line whose head met a closed gate waits at that gate and is not looked
// at again before the gate opens. Of the lines of one tenant and bucket only the first that waits
// at a gate is then let out; `settle` keeps this true: while a gate is open and lines wait at it,
// an older one that has to pass it is out.
//
// Not thread-safe. Every operation is O(log n) in the number of entries, plus the buckets that
// there are and the tenants that wait for one and the same key.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/time.h"
#include "broker/dispatch_queue.h"
#include "broker/fair_order.h"
#include "broker/gate.h"
#include "broker/priority.h"

namespace drover::broker {

using Order = std::int64_t;  // of enqueueing; above that of every entry before

class ReadyOrder {
 public:
  // `started`: of the process; see TokenBucket. The limits have been checked.
  ReadyOrder(QueueLimits limits, BootTime started);
  // In place of `earlier`, which had other limits. What is paused stays so, and so do the tokens of
  // whatever has the same rate; all tenants are even. Empty: what was there is entered, and held or
  // added, anew.
  ReadyOrder(QueueLimits limits, ReadyOrder const& earlier, BootTime now);

  // The entry is in the queue from now on, or no longer: its keys' limits hold as long as it is.
  void enter(QueueEntry const& entry);
  void leave(QueueEntry const& entry, BootTime now);

  // It could go, or can no longer, such as one that is cancelled. It has entered.
  void add(QueueEntry const& entry, Order order, BootTime now);
  void remove(QueueEntry const& entry, Order order, BootTime now);

  // It is claimed already. It has entered.
  void hold(QueueEntry const& entry);

  // The next that may be claimed. It has been removed and holds its slots.
  [[nodiscard]] std::optional<Order> next(ClaimFilter const& filter, BootTime now);
  // The same for one that was chosen before: false, and nothing changed, when it may not be claimed
  // now. It counts as its tenant's turn.
  [[nodiscard]] bool take(QueueEntry const& entry, Order order, BootTime now);
  // What next() would give, about: of each lane and level the first `most`. Of entries that have to
  // pass the same gates only one, because the gate may let no more through.
  [[nodiscard]] std::vector<Order> preview(std::size_t most, BootTime now) const;
  // A claim of this entry has ended.
  void give_back(QueueEntry const& entry, BootTime now);

  // Gates whose next token has come. next() does so itself.
  void wake(BootTime now);
  // When wake() has something to do.
  [[nodiscard]] std::optional<BootTime> next_due() const;
  // Whether next() might find something. False is certain.
  [[nodiscard]] bool maybe_ready() const { return lines_out_ > 0; }

  void pause(QueueName const& name) { paused_.insert(name); }
  void resume(QueueName const& name) { paused_.erase(name); }
  [[nodiscard]] std::set<QueueName> const& paused() const { return paused_; }
  [[nodiscard]] bool is_paused(std::string const& pool, std::string const& task_type) const;

  // For tests: how many of a key, "" for all, are claimed.
  [[nodiscard]] std::int64_t claimed(std::string const& key) const;

 private:
  struct Line;
  struct Bucket;
  // The oldest entry of a line tells lines apart and orders them.
  using Lines = std::map<Order, Line*>;
  struct WaitingGate {
    Gate gate;
    std::string name;
    std::map<std::pair<Bucket*, std::string>, Lines> waiting;  // by bucket and tenant
    std::size_t lines = 0;        // that have to pass it, waiting or not
    std::optional<BootTime> due;  // when it is to be looked at
  };
  struct Line {
    std::string name;
    std::string tenant;
    Bucket* bucket = nullptr;
    std::vector<WaitingGate*> gates;
    std::set<Order> orders;
    WaitingGate* waits_at = nullptr;  // null: out
    Order listed = 0;                 // the head under which it stands in its list
  };
  // Of two tenants with the same tag the one whose entry is older.
  using Turn = std::pair<FairOrder::Tag, Order>;
  struct Out {
    Lines lines;
    std::optional<Turn> turn;
  };
  struct Bucket {
    QueueLane lane;
    PriorityLevel level = PriorityLevel::normal;
    std::map<std::string, Out> out;  // by tenant; none is empty
    std::map<Turn, Line*> turns;     // the first line of each of them
    std::size_t lines = 0;
    std::int64_t passed = 0;  // claims that could have had one of these and took a higher level
  };
  using BucketName = std::pair<PriorityLevel, QueueLane>;
  struct Candidate {
    Bucket* bucket = nullptr;
    Line* line = nullptr;
    FairOrder::Tag tag = 0;
  };

  [[nodiscard]] FairOrder& fair(Bucket const& bucket);
  [[nodiscard]] GateLimit limit_of(std::string const& gate) const;
  [[nodiscard]] WaitingGate& gate(std::string const& name, GateLimit const& limit);
  [[nodiscard]] WaitingGate& key_gate(std::string const& key);
  [[nodiscard]] std::vector<WaitingGate*> gates_of(QueueEntry const& entry);
  [[nodiscard]] Bucket& bucket_of(QueueEntry const& entry);
  [[nodiscard]] Line& line_of(QueueEntry const& entry);
  [[nodiscard]] bool matches(ClaimFilter const& filter, Bucket const& bucket) const;
  [[nodiscard]] static bool goes_before(Candidate const& left, Candidate const& right);
  [[nodiscard]] Line* first_that_can_go(Bucket& bucket, BootTime now);
  void take_turn(Bucket& bucket, std::string const& tenant);
  void let_out(Line& line);
  void take_in(Line& line);
  void wait_at(WaitingGate& gate, Line& line, BootTime now);
  void head_changed(Line& line, BootTime now);
  void expect_token(WaitingGate& gate);
  void settle(Line const& line, BootTime now);
  void let_first_out(WaitingGate& gate, std::pair<Bucket*, std::string> const& who);
  void reopen(WaitingGate& gate, BootTime now);
  void set_due(WaitingGate& gate, BootTime at);
  void forget_if_even(WaitingGate& gate, BootTime now);
  void drop(Line& line);
  void serve(Candidate const& chosen, BootTime now);
  void count_turn(Line& line, BootTime now);
  void preview_bucket(Bucket const& bucket, std::size_t most, BootTime now,
                      std::vector<Order>& orders) const;
  void count_passed(std::vector<Candidate> const& candidates, Candidate const& chosen);

  QueueLimits limits_;
  BootTime started_;
  Gate global_;
  std::map<std::string, WaitingGate> gates_;  // "key:NAME", "tenant:NAME"
  std::set<std::pair<BootTime, std::string>> due_;
  std::map<BucketName, Bucket> buckets_;  // only those with a line
  std::unordered_map<std::string, Line> lines_;
  std::array<FairOrder, kPriorityLevels> fair_;
  std::set<QueueName> paused_;
  std::size_t lines_out_ = 0;
};

}  // namespace drover::broker
