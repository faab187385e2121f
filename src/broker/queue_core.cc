#include "broker/queue_core.h"

#include <algorithm>

#include "base/check.h"

namespace drover::broker {

QueueCore::Rank QueueCore::rank_of(Node const& node) {
  // Negated without overflow for the smallest integer: ~p orders as -p does.
  return {~node.entry.priority, node.order};
}

QueueCore::Lane QueueCore::lane_of(Node const& node) {
  return {node.entry.pool, node.entry.task_type};
}

bool QueueCore::matches(ClaimFilter const& filter, Lane const& lane) {
  auto const has = [](std::vector<std::string> const& wanted, std::string const& one) {
    return wanted.empty() || std::ranges::find(wanted, one) != wanted.end();
  };
  return has(filter.pools, lane.pool) && has(filter.task_types, lane.task_type);
}

bool QueueCore::is_head(Node const& node) const {
  return std::ranges::all_of(node.entry.fifo_groups, [&](std::string const& group) {
    return *groups_.at(group).begin() == node.order;
  });
}

bool QueueCore::key_is_full(Node const& node) const {
  if (node.entry.concurrency_key.empty()) return false;
  auto const key = keys_.find(node.entry.concurrency_key);
  return key != keys_.end() && key->second.claimed >= node.entry.concurrency_max;
}

QueueCore::Node* QueueCore::find(RunId const& run) {
  auto const order = order_by_run_.find(run);
  return order == order_by_run_.end() ? nullptr : &nodes_.at(order->second);
}

QueueCore::Node* QueueCore::find_claimed(RunId const& run, Epoch epoch) {
  Node* const node = find(run);
  if (node == nullptr || node->place != Place::claimed || node->entry.epoch != epoch)
    return nullptr;
  return node;
}

bool QueueCore::add(QueueEntry entry, std::int64_t order, QueueTime now) {
  DROVER_CHECK(nodes_.empty() || nodes_.rbegin()->first < order);
  if (!order_by_run_.emplace(entry.run, order).second) return false;
  for (std::string const& group : entry.fifo_groups)
    groups_[group].insert(order);
  Node& node = nodes_[order];
  node.entry = std::move(entry);
  node.order = order;
  place(node, now);
  return true;
}

// Puts an entry that is in no set where it belongs.
void QueueCore::place(Node& node, QueueTime now) {
  node.place = Place::blocked;
  if (!is_head(node)) return;
  if (node.entry.not_before <= now.wall) return make_ready(node);
  node.place = Place::delayed;
  delayed_.emplace(node.entry.not_before, node.order);
}

void QueueCore::make_ready(Node& node) {
  node.place = Place::ready;
  ready_[lane_of(node)].insert(rank_of(node));
  ++ready_count_;
}

// Takes an entry out of the set it is in.
void QueueCore::displace(Node& node) {
  switch (node.place) {
    case Place::blocked:
      break;
    case Place::delayed:
      delayed_.erase({node.entry.not_before, node.order});
      break;
    case Place::ready: {
      auto const lane = ready_.find(lane_of(node));
      lane->second.erase(rank_of(node));
      if (lane->second.empty()) ready_.erase(lane);
      --ready_count_;
      break;
    }
    case Place::parked: {
      auto& parked = keys_.at(node.entry.concurrency_key).parked;
      auto const lane = parked.find(lane_of(node));
      lane->second.erase(rank_of(node));
      if (lane->second.empty()) parked.erase(lane);
      break;
    }
    case Place::claimed:
      leases_.erase({node.lease_until, node.order});
      if (!node.entry.concurrency_key.empty()) --keys_.at(node.entry.concurrency_key).claimed;
      break;
  }
}

void QueueCore::park(Node& node) {
  displace(node);
  node.place = Place::parked;
  keys_.at(node.entry.concurrency_key).parked[lane_of(node)].insert(rank_of(node));
}

// A slot of the key may be free: in every lane the best that was parked is ready again. If another
// lane takes the slot, the next claim parks it once more.
void QueueCore::unpark(std::string const& key) {
  auto const found = keys_.find(key);
  if (found == keys_.end()) return;
  std::vector<std::int64_t> best;
  for (auto const& [lane, ranks] : found->second.parked)
    best.push_back(ranks.begin()->order);
  for (std::int64_t const order : best) {
    Node& node = nodes_.at(order);
    displace(node);
    make_ready(node);
  }
}

void QueueCore::drop_empty(std::string const& key) {
  auto const found = keys_.find(key);
  if (found != keys_.end() && found->second.claimed == 0 && found->second.parked.empty())
    keys_.erase(found);
}

// The first of a lane that its concurrency key lets go; those before it are parked, so that no
// later claim looks at them again before a slot is free.
QueueCore::Node* QueueCore::best_of(Ranks& ranks) {
  while (!ranks.empty()) {
    Node& node = nodes_.at(ranks.begin()->order);
    if (!key_is_full(node)) return &node;
    bool const last = ranks.size() == 1;
    park(node);
    if (last) return nullptr;  // the lane went with its last entry
  }
  return nullptr;
}

std::optional<Picked> QueueCore::claim(ClaimFilter const& filter, WorkerId const& worker,
                                       BootTime lease_until, QueueTime now) {
  wake_delayed(now);
  Node* best = nullptr;
  for (auto lane = ready_.begin(); lane != ready_.end();) {
    // The step first: best_of may remove the lane.
    auto const here = lane++;
    if (!matches(filter, here->first)) continue;
    Node* const candidate = best_of(here->second);
    if (candidate != nullptr && (best == nullptr || rank_of(*candidate) < rank_of(*best)))
      best = candidate;
  }
  if (best == nullptr) return std::nullopt;
  displace(*best);
  best->place = Place::claimed;
  best->entry.epoch = Epoch{static_cast<std::int64_t>(best->entry.epoch) + 1};
  best->worker = worker;
  best->lease_until = lease_until;
  leases_.emplace(lease_until, best->order);
  if (!best->entry.concurrency_key.empty()) ++keys_[best->entry.concurrency_key].claimed;
  return Picked{best->entry, best->order};
}

Status QueueCore::renew(RunId const& run, Epoch epoch, BootTime lease_until) {
  Node* const node = find_claimed(run, epoch);
  if (node == nullptr)
    return fail_next(ErrorCode::conflict,
                     fmt::format("fenced: epoch {} of run {} holds no lease any more",
                                 static_cast<std::int64_t>(epoch), run),
                     "stop this attempt; nothing it writes is accepted");
  leases_.erase({node->lease_until, node->order});
  node->lease_until = lease_until;
  leases_.emplace(lease_until, node->order);
  return {};
}

void QueueCore::return_claimed(Node& node, QueueTime now) {
  displace(node);
  place(node, now);
  unpark(node.entry.concurrency_key);
  drop_empty(node.entry.concurrency_key);
}

void QueueCore::release(RunId const& run, Epoch epoch, WallTime not_before, QueueTime now) {
  Node* const node = find_claimed(run, epoch);
  if (node == nullptr) return;
  node->entry.not_before = not_before;
  return_claimed(*node, now);
}

bool QueueCore::remove(RunId const& run, QueueTime now) {
  Node* const node = find(run);
  if (node == nullptr) return false;
  displace(*node);
  unpark(node->entry.concurrency_key);
  drop_empty(node->entry.concurrency_key);
  std::int64_t const order = node->order;
  std::vector<std::string> const groups = std::move(node->entry.fifo_groups);
  order_by_run_.erase(run);
  nodes_.erase(order);
  for (std::string const& group : groups) {
    auto const members = groups_.find(group);
    members->second.erase(order);
    if (members->second.empty()) groups_.erase(members);
  }
  // After all of them: an entry may follow this one in several groups.
  for (std::string const& group : groups) {
    auto const members = groups_.find(group);
    if (members == groups_.end()) continue;
    Node& head = nodes_.at(*members->second.begin());
    if (head.place == Place::blocked) place(head, now);
  }
  return true;
}

std::vector<ExpiredLease> QueueCore::expire(QueueTime now) {
  std::vector<ExpiredLease> expired;
  while (!leases_.empty() && leases_.begin()->first <= now.boot) {
    Node& node = nodes_.at(leases_.begin()->second);
    DROVER_CHECK(node.place == Place::claimed);
    expired.push_back({node.entry.run, node.entry.epoch, node.worker});
    return_claimed(node, now);
  }
  return expired;
}

void QueueCore::wake_delayed(QueueTime now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now.wall) {
    Node& node = nodes_.at(delayed_.begin()->second);
    displace(node);
    place(node, now);
  }
}

std::optional<Nanos> QueueCore::next_due(QueueTime now) const {
  std::optional<Nanos> due;
  if (!leases_.empty()) due = leases_.begin()->first - now.boot;
  if (!delayed_.empty()) {
    Nanos const delay = delayed_.begin()->first - now.wall;
    due = due ? std::min(*due, delay) : delay;
  }
  if (due) due = std::max(*due, Nanos{0});
  return due;
}

QueueStats QueueCore::stats() const {
  return {.entries = nodes_.size(),
          .ready = ready_count_,
          .delayed = delayed_.size(),
          .claimed = leases_.size(),
          .waiting_claimers = 0};
}

}  // namespace drover::broker
