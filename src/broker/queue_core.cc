#include "broker/queue_core.h"

#include <algorithm>

#include "base/check.h"

namespace drover::broker {

namespace {

std::size_t index_of(QueueCore::Place place) {
  return static_cast<std::size_t>(place);
}

}  // namespace

QueueCore::QueueCore(QueueLimits limits, BootTime started) : ready_(std::move(limits), started) {}

bool QueueCore::is_head(Node const& node) const {
  return std::ranges::all_of(node.entry.fifo_groups, [&](std::string const& group) {
    return *groups_.at(group).begin() == node.order;
  });
}

bool QueueCore::is_due(Node const& node, QueueTime now) {
  return node.again_at ? *node.again_at <= now.boot : node.entry.not_before <= now.wall;
}

QueueCore::Node* QueueCore::find_node(RunId const& run) {
  auto const order = order_by_run_.find(run);
  return order == order_by_run_.end() ? nullptr : &nodes_.at(order->second);
}

QueueCore::Node* QueueCore::find_claimed(RunId const& run, Epoch epoch) {
  Node* const node = find_node(run);
  if (node == nullptr || node->place != Place::claimed || node->entry.epoch != epoch)
    return nullptr;
  return node;
}

std::optional<QueueCore::Seen> QueueCore::find(RunId const& run) const {
  auto const order = order_by_run_.find(run);
  if (order == order_by_run_.end()) return std::nullopt;
  Node const& node = nodes_.at(order->second);
  return Seen{&node.entry, node.place};
}

bool QueueCore::add(QueueEntry entry, Order order, QueueTime now) {
  DROVER_CHECK(nodes_.empty() || nodes_.rbegin()->first < order);
  if (!order_by_run_.emplace(entry.run, order).second) return false;
  for (std::string const& group : entry.fifo_groups)
    groups_[group].insert(order);
  ready_.enter(entry);
  Node& node = nodes_.emplace_hint(nodes_.end(), order, Node{})->second;
  node.entry = std::move(entry);
  node.order = order;
  node.tally = &tallies_[{node.entry.pool, node.entry.task_type, node.entry.tenant}];
  node.tally->orders.insert(node.tally->orders.end(), order);
  ++node.tally->counts[index_of(node.place)];
  ++counts_[index_of(node.place)];
  if (node.entry.expires_at && node.entry.epoch == Epoch{0})
    expiring_.emplace(*node.entry.expires_at, order);
  place(node, now);
  return true;
}

void QueueCore::set_limits(QueueLimits limits, QueueTime now) {
  ready_ = ReadyOrder{std::move(limits), ready_, now.boot};
  // All of them first: what one says of its keys holds for the others.
  for (auto const& [order, node] : nodes_)
    ready_.enter(node.entry);
  for (auto const& [order, node] : nodes_) {
    if (node.place == Place::claimed) ready_.hold(node.entry);
    if (node.place == Place::ready) ready_.add(node.entry, order, now.boot);
  }
}

void QueueCore::set_place(Node& node, Place place) {
  --node.tally->counts[index_of(node.place)];
  --counts_[index_of(node.place)];
  node.place = place;
  ++node.tally->counts[index_of(place)];
  ++counts_[index_of(place)];
}

// Puts an entry that is in no set where it belongs.
void QueueCore::place(Node& node, QueueTime now) {
  if (!is_head(node)) return set_place(node, Place::blocked);
  if (is_due(node, now)) {
    set_place(node, Place::ready);
    return ready_.add(node.entry, node.order, now.boot);
  }
  set_place(node, Place::delayed);
  if (node.again_at) {
    retrying_.emplace(*node.again_at, node.order);
  } else {
    delayed_.emplace(node.entry.not_before, node.order);
  }
}

// Takes an entry out of the set it is in.
void QueueCore::displace(Node& node, QueueTime now) {
  switch (node.place) {
    case Place::blocked:
    case Place::leaving:
      return;
    case Place::delayed:
      delayed_.erase({node.entry.not_before, node.order});
      if (node.again_at) retrying_.erase({*node.again_at, node.order});
      return;
    case Place::ready:
      return ready_.remove(node.entry, node.order, now.boot);
    case Place::claimed:
      leases_.erase({node.lease_until, node.order});
      return ready_.give_back(node.entry, now.boot);
  }
}

// It is out of ReadyOrder already.
Picked QueueCore::hold(Node& node, WorkerId const& worker, BootTime lease_until) {
  set_place(node, Place::claimed);
  if (node.entry.expires_at) expiring_.erase({*node.entry.expires_at, node.order});
  node.entry.epoch = Epoch{static_cast<std::int64_t>(node.entry.epoch) + 1};
  node.worker = worker;
  node.lease_until = lease_until;
  node.again_at = BootTime{};
  leases_.emplace(lease_until, node.order);
  return Picked{node.entry, node.order};
}

std::optional<Picked> QueueCore::claim(ClaimFilter const& filter, WorkerId const& worker,
                                       BootTime lease_until, QueueTime now) {
  wake(now);
  auto const order = ready_.next(filter, now.boot);
  if (!order) return std::nullopt;
  return hold(nodes_.at(*order), worker, lease_until);
}

std::optional<Picked> QueueCore::claim_offered(OfferedRun const& offered, ClaimFilter const& filter,
                                               WorkerId const& worker, BootTime lease_until,
                                               QueueTime now) {
  wake(now);
  Node* const node = find_node(offered.run);
  if (node == nullptr || node->place != Place::ready || node->entry.epoch != offered.after)
    return std::nullopt;
  if (!admits(filter, lane_of(node->entry))) return std::nullopt;
  if (!ready_.take(node->entry, node->order, now.boot)) return std::nullopt;
  return hold(*node, worker, lease_until);
}

std::vector<QueueEntry const*> QueueCore::claimable(std::size_t most, QueueTime now) {
  wake(now);
  std::vector<QueueEntry const*> entries;
  for (Order const order : ready_.preview(most, now.boot))
    entries.push_back(&nodes_.at(order).entry);
  return entries;
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

void QueueCore::release(RunId const& run, Epoch epoch, Back back, QueueTime now) {
  Node* const node = find_claimed(run, epoch);
  if (node == nullptr) return;
  displace(*node, now);
  node->entry.not_before = back.not_before;
  node->entry.failed = back.failed;
  node->again_at = now.boot + back.delay;
  place(*node, now);
}

void QueueCore::run_now(RunId const& run, QueueTime now) {
  Node* const node = find_node(run);
  if (node == nullptr || is_due(*node, now)) return;
  if (node->place != Place::blocked && node->place != Place::delayed) return;
  displace(*node, now);
  node->entry.not_before = now.wall;
  if (node->again_at) node->again_at = now.boot;
  place(*node, now);
}

bool QueueCore::remove(RunId const& run, QueueTime now) {
  Node* const node = find_node(run);
  if (node == nullptr) return false;
  displace(*node, now);
  ready_.leave(node->entry, now.boot);
  if (node->entry.expires_at) expiring_.erase({*node->entry.expires_at, node->order});
  Order const order = node->order;
  std::vector<std::string> const groups = std::move(node->entry.fifo_groups);
  forget_tally(*node);
  order_by_run_.erase(run);
  nodes_.erase(order);
  advance_groups(groups, order, now);
  return true;
}

void QueueCore::forget_tally(Node const& node) {
  --counts_[index_of(node.place)];
  --node.tally->counts[index_of(node.place)];
  node.tally->orders.erase(node.order);
  if (node.tally->orders.empty())
    tallies_.erase({node.entry.pool, node.entry.task_type, node.entry.tenant});
}

void QueueCore::advance_groups(std::vector<std::string> const& groups, Order order, QueueTime now) {
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
}

std::vector<ExpiredLease> QueueCore::expire(QueueTime now) {
  std::vector<ExpiredLease> expired;
  while (!leases_.empty() && leases_.begin()->first <= now.boot) {
    Node& node = nodes_.at(leases_.begin()->second);
    DROVER_CHECK(node.place == Place::claimed);
    displace(node, now);
    QueueEntry& entry = node.entry;
    ++entry.lost;
    bool const poison = entry.lost >= entry.lost_max;
    if (poison) {
      set_place(node, Place::leaving);
    } else {
      place(node, now);
    }
    expired.push_back({entry.run, entry.epoch, node.worker, entry.lost, poison});
  }
  return expired;
}

std::vector<QueueEntry> QueueCore::take_overdue(QueueTime now) {
  std::vector<QueueEntry> overdue;
  while (!expiring_.empty() && expiring_.begin()->first <= now.wall) {
    Node& node = nodes_.at(expiring_.begin()->second);
    expiring_.erase(expiring_.begin());
    displace(node, now);
    set_place(node, Place::leaving);
    overdue.push_back(node.entry);
  }
  return overdue;
}

void QueueCore::wake(QueueTime now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now.wall) {
    Node& node = nodes_.at(delayed_.begin()->second);
    displace(node, now);
    place(node, now);
  }
  while (!retrying_.empty() && retrying_.begin()->first <= now.boot) {
    Node& node = nodes_.at(retrying_.begin()->second);
    displace(node, now);
    place(node, now);
  }
  ready_.wake(now.boot);
}

std::optional<Nanos> QueueCore::next_due(QueueTime now) const {
  std::optional<Nanos> due;
  auto const sooner = [&due](Nanos wait) { due = due ? std::min(*due, wait) : wait; };
  if (!leases_.empty()) sooner(leases_.begin()->first - now.boot);
  if (!delayed_.empty()) sooner(delayed_.begin()->first - now.wall);
  if (!retrying_.empty()) sooner(retrying_.begin()->first - now.boot);
  if (!expiring_.empty()) sooner(expiring_.begin()->first - now.wall);
  if (auto const gates = ready_.next_due()) sooner(*gates - now.boot);
  if (due) due = std::max(*due, Nanos{0});
  return due;
}

QueueStats QueueCore::stats() const {
  return {.entries = nodes_.size(),
          .ready = counts_[index_of(Place::ready)],
          .delayed = counts_[index_of(Place::delayed)],
          .claimed = counts_[index_of(Place::claimed)],
          .waiting_claimers = 0};
}

std::vector<QueueTally> QueueCore::tallies() const {
  std::vector<QueueTally> all;
  all.reserve(tallies_.size());
  for (auto const& [name, tally] : tallies_) {
    auto const& [pool, task_type, tenant] = name;
    QueueTally one;
    one.pool = pool;
    one.task_type = task_type;
    one.tenant = tenant;
    one.entries = tally.orders.size();
    one.ready = tally.counts[index_of(Place::ready)];
    one.delayed = tally.counts[index_of(Place::delayed)];
    one.claimed = tally.counts[index_of(Place::claimed)];
    one.oldest = nodes_.at(*tally.orders.begin()).entry.enqueued_at;
    one.paused = ready_.is_paused(pool, task_type);
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace drover::broker
