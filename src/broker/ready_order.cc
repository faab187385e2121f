#include "broker/ready_order.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"

namespace drover::broker {

namespace {

// What the names of gates begin with.
constexpr std::string_view kKeyGate = "key:";
constexpr std::string_view kTenantGate = "tenant:";

}  // namespace

ReadyOrder::ReadyOrder(QueueLimits limits, BootTime started)
    : limits_(std::move(limits)), started_(started), global_(limits_.global, started) {}

ReadyOrder::ReadyOrder(QueueLimits limits, ReadyOrder const& earlier, BootTime now)
    : ReadyOrder(std::move(limits), earlier.started_) {
  paused_ = earlier.paused_;
  if (limits_.global.rate == earlier.limits_.global.rate) global_.keep_tokens(earlier.global_);
  for (auto const& [name, before] : earlier.gates_) {
    GateLimit const limit = limit_of(name);
    if (!limit.rate || limit.rate != earlier.limit_of(name).rate) continue;
    WaitingGate& kept = gate(name, limit);
    kept.gate.keep_tokens(before.gate);
    forget_if_even(kept, now);
  }
}

GateLimit ReadyOrder::limit_of(std::string const& gate) const {
  if (gate.starts_with(kTenantGate))
    return limits_.of_tenant(gate.substr(kTenantGate.size())).limit;
  return limits_.of_key(gate.substr(kKeyGate.size()));
}

FairOrder& ReadyOrder::fair(Bucket const& bucket) {
  return fair_[static_cast<std::size_t>(bucket.level)];
}

ReadyOrder::WaitingGate& ReadyOrder::gate(std::string const& name, GateLimit const& limit) {
  auto const found = gates_.find(name);
  if (found != gates_.end()) return found->second;
  WaitingGate made{
      .gate = Gate{limit, started_}, .name = name, .waiting = {}, .lines = 0, .due = {}};
  return gates_.emplace(name, std::move(made)).first->second;
}

ReadyOrder::WaitingGate& ReadyOrder::key_gate(std::string const& key) {
  return gate(std::string{kKeyGate} + key, limits_.of_key(key));
}

// In an order that does not depend on how the entry names its keys.
std::vector<ReadyOrder::WaitingGate*> ReadyOrder::gates_of(QueueEntry const& entry) {
  std::vector<WaitingGate*> gates;
  GateLimit const& of_tenant = limits_.of_tenant(entry.tenant).limit;
  if (of_tenant.concurrency_max || of_tenant.rate)
    gates.push_back(&gate(std::string{kTenantGate} + entry.tenant, of_tenant));
  for (ConcurrencyKey const& key : entry.keys)
    gates.push_back(&key_gate(key.name));
  std::ranges::sort(gates, {}, &WaitingGate::name);
  return gates;
}

void ReadyOrder::enter(QueueEntry const& entry) {
  for (ConcurrencyKey const& key : entry.keys)
    key_gate(key.name).gate.want(key.max);
}

void ReadyOrder::leave(QueueEntry const& entry, BootTime now) {
  for (ConcurrencyKey const& key : entry.keys) {
    WaitingGate& left = gates_.at(std::string{kKeyGate} + key.name);
    left.gate.unwant(key.max);
    reopen(left, now);
    forget_if_even(left, now);
  }
  auto const tenant = gates_.find(std::string{kTenantGate} + entry.tenant);
  if (tenant != gates_.end()) forget_if_even(tenant->second, now);
}

// A gate with a rate stays until it is as full as a new one would be.
void ReadyOrder::forget_if_even(WaitingGate& gate, BootTime now) {
  if (gate.lines > 0) return;
  if (!gate.gate.even(now)) {
    auto const at = gate.gate.even_at();
    if (at && *at > now) set_due(gate, *at);
    return;
  }
  if (gate.due) due_.erase({*gate.due, gate.name});
  gates_.erase(gate.name);
}

void ReadyOrder::set_due(WaitingGate& gate, BootTime at) {
  if (gate.due) due_.erase({*gate.due, gate.name});
  gate.due = at;
  due_.emplace(at, gate.name);
}

ReadyOrder::Bucket& ReadyOrder::bucket_of(QueueEntry const& entry) {
  PriorityLevel const level = level_of(entry.priority);
  QueueLane lane = lane_of(entry);
  Bucket& bucket = buckets_[{level, lane}];
  if (bucket.lines > 0) return bucket;
  bucket.lane = std::move(lane);
  bucket.level = level;
  return bucket;
}

ReadyOrder::Line& ReadyOrder::line_of(QueueEntry const& entry) {
  auto gates = gates_of(entry);
  // No part of it has a space or a line break.
  std::string name =
      fmt::format("{} {} {} {} {}", static_cast<int>(level_of(entry.priority)), entry.pool,
                  entry.task_type, print_labels(entry.labels), entry.tenant);
  for (WaitingGate const* gate : gates)
    name.append("\n").append(gate->name);
  auto const [found, fresh] = lines_.try_emplace(std::move(name));
  Line& line = found->second;
  if (!fresh) return line;
  line.name = found->first;
  line.tenant = entry.tenant;
  line.bucket = &bucket_of(entry);
  ++line.bucket->lines;
  line.gates = std::move(gates);
  for (WaitingGate* gate : line.gates)
    ++gate->lines;
  return line;
}

void ReadyOrder::add(QueueEntry const& entry, Order order, BootTime now) {
  Line& line = line_of(entry);
  fair(*line.bucket).add(line.tenant);
  line.orders.insert(order);
  if (line.orders.size() == 1) return let_out(line);
  if (*line.orders.begin() == order) head_changed(line, now);
}

void ReadyOrder::remove(QueueEntry const& entry, Order order, BootTime now) {
  Line& line = line_of(entry);
  FairOrder& tenants = fair(*line.bucket);
  bool const was_head = *line.orders.begin() == order;
  DROVER_CHECK(line.orders.erase(order) == 1);
  if (was_head) head_changed(line, now);
  tenants.remove(entry.tenant);
}

// After the tenant's lines that are out, or its tag, have changed.
void ReadyOrder::take_turn(Bucket& bucket, std::string const& tenant) {
  auto const found = bucket.out.find(tenant);
  if (found == bucket.out.end()) return;
  auto& [lines, turn] = found->second;
  if (turn) bucket.turns.erase(*turn);
  if (lines.empty()) {
    bucket.out.erase(found);
    return;
  }
  turn = Turn{fair(bucket).tag(tenant), lines.begin()->first};
  bucket.turns.emplace(*turn, lines.begin()->second);
}

void ReadyOrder::let_out(Line& line) {
  line.listed = *line.orders.begin();
  line.waits_at = nullptr;
  line.bucket->out[line.tenant].lines.emplace(line.listed, &line);
  ++lines_out_;
  take_turn(*line.bucket, line.tenant);
}

// Out of the list in which it stands.
void ReadyOrder::take_in(Line& line) {
  if (line.waits_at != nullptr) {
    auto const at = line.waits_at->waiting.find({line.bucket, line.tenant});
    at->second.erase(line.listed);
    if (at->second.empty()) line.waits_at->waiting.erase(at);
    return;
  }
  line.bucket->out.at(line.tenant).lines.erase(line.listed);
  --lines_out_;
  take_turn(*line.bucket, line.tenant);
}

void ReadyOrder::wait_at(WaitingGate& gate, Line& line, BootTime now) {
  take_in(line);
  line.waits_at = &gate;
  gate.waiting[{line.bucket, line.tenant}].emplace(line.listed, &line);
  expect_token(gate);
  settle(line, now);
}

void ReadyOrder::head_changed(Line& line, BootTime now) {
  take_in(line);
  // What it has to pass is found out when its turn comes.
  if (!line.orders.empty()) let_out(line);
  settle(line, now);
  if (line.orders.empty()) drop(line);
}

// After `line` went in, or fell back behind others: at every open gate that it has to pass, the
// next of its tenant is let out.
void ReadyOrder::settle(Line const& line, BootTime now) {
  for (WaitingGate* gate : line.gates) {
    if (gate->waiting.empty()) continue;
    if (gate->gate.open(now)) {
      let_first_out(*gate, {line.bucket, line.tenant});
    } else {
      expect_token(*gate);
    }
  }
}

// What waits at a gate that is not full waits for a token, and nothing but time brings it.
void ReadyOrder::expect_token(WaitingGate& gate) {
  if (!gate.gate.full()) set_due(gate, gate.gate.next_token());
}

void ReadyOrder::let_first_out(WaitingGate& gate, std::pair<Bucket*, std::string> const& who) {
  auto const lines = gate.waiting.find(who);
  if (lines == gate.waiting.end()) return;
  Line& first = *lines->second.begin()->second;
  take_in(first);
  let_out(first);
}

// The gate may have opened.
void ReadyOrder::reopen(WaitingGate& gate, BootTime now) {
  if (gate.waiting.empty()) return;
  if (!gate.gate.open(now)) return expect_token(gate);
  std::vector<std::pair<Bucket*, std::string>> all;
  all.reserve(gate.waiting.size());
  for (auto const& [who, lines] : gate.waiting)
    all.push_back(who);
  for (auto const& who : all)
    let_first_out(gate, who);
}

void ReadyOrder::drop(Line& line) {
  for (WaitingGate* gate : line.gates)
    --gate->lines;
  Bucket& bucket = *line.bucket;
  if (--bucket.lines == 0) buckets_.erase(BucketName{bucket.level, bucket.lane});
  // A copy, because it is the line's own name.
  lines_.erase(std::string{line.name});
}

bool ReadyOrder::is_paused(std::string const& pool, std::string const& task_type) const {
  if (paused_.empty()) return false;
  using Kind = QueueName::Kind;
  return paused_.contains({Kind::all, {}}) || paused_.contains({Kind::pool, pool}) ||
         paused_.contains({Kind::task_type, task_type});
}

bool ReadyOrder::matches(ClaimFilter const& filter, Bucket const& bucket) const {
  return admits(filter, bucket.lane) && !is_paused(bucket.lane.pool, bucket.lane.task_type);
}

// Of the tenant whose turn it is, the oldest that can pass. Lines that cannot are made to wait.
ReadyOrder::Line* ReadyOrder::first_that_can_go(Bucket& bucket, BootTime now) {
  while (!bucket.turns.empty()) {
    Line& line = *bucket.turns.begin()->second;
    auto const closed = std::ranges::find_if(
        line.gates, [&](WaitingGate const* gate) { return !gate->gate.open(now); });
    if (closed == line.gates.end()) return &line;
    wait_at(**closed, line, now);
  }
  return nullptr;
}

bool ReadyOrder::goes_before(Candidate const& left, Candidate const& right) {
  auto const rank = [](Candidate const& one) {
    std::int64_t const due = one.bucket->passed >= kPassedMax ? -one.bucket->passed : 0;
    return std::tuple{due, one.bucket->level, one.tag, *one.line->orders.begin()};
  };
  return rank(left) < rank(right);
}

std::optional<Order> ReadyOrder::next(ClaimFilter const& filter, BootTime now) {
  if (!global_.open(now)) return std::nullopt;
  wake(now);
  std::vector<Candidate> candidates;
  for (auto& [name, bucket] : buckets_) {
    if (!matches(filter, bucket)) continue;
    Line* const line = first_that_can_go(bucket, now);
    if (line == nullptr) continue;
    candidates.push_back({&bucket, line, fair(bucket).tag(line->tenant)});
  }
  if (candidates.empty()) return std::nullopt;
  Candidate const chosen = *std::ranges::min_element(candidates, goes_before);
  Order const order = *chosen.line->orders.begin();
  count_passed(candidates, chosen);
  serve(chosen, now);
  return order;
}

void ReadyOrder::count_passed(std::vector<Candidate> const& candidates, Candidate const& chosen) {
  for (Candidate const& other : candidates)
    if (other.bucket->level > chosen.bucket->level) ++other.bucket->passed;
  chosen.bucket->passed = 0;
}

// An entry of the line goes: its tenant has had a turn, its gates are taken.
void ReadyOrder::count_turn(Line& line, BootTime now) {
  PriorityLevel const level = line.bucket->level;
  fair(*line.bucket).serve(line.tenant, limits_.of_tenant(line.tenant).weight);
  // The buckets of a level stand together.
  for (auto at = buckets_.lower_bound(BucketName{level, {}}); at != buckets_.end(); ++at) {
    if (at->second.level != level) break;
    take_turn(at->second, line.tenant);
  }
  global_.take(now);
  for (WaitingGate* gate : line.gates)
    gate->gate.take(now);
}

void ReadyOrder::serve(Candidate const& chosen, BootTime now) {
  Line& line = *chosen.line;
  std::string const tenant = line.tenant;
  FairOrder& order = fair(*line.bucket);
  count_turn(line, now);
  line.orders.erase(line.orders.begin());
  head_changed(line, now);
  order.remove(tenant);
}

bool ReadyOrder::take(QueueEntry const& entry, Order order, BootTime now) {
  wake(now);
  if (is_paused(entry.pool, entry.task_type) || !global_.open(now)) return false;
  Line& line = line_of(entry);
  auto const is_open = [now](WaitingGate const* gate) { return gate->gate.open(now); };
  if (!std::ranges::all_of(line.gates, is_open)) return false;
  line.bucket->passed = 0;
  count_turn(line, now);
  remove(entry, order, now);
  return true;
}

// Tenants take turns by their tags, moved on as if each of these were claimed.
void ReadyOrder::preview_bucket(Bucket const& bucket, std::size_t most, BootTime now,
                                std::vector<Order>& orders) const {
  struct Ahead {
    FairOrder::Tag tag = 0;
    FairOrder::Tag step = 0;
    std::set<Order> orders;
  };
  std::vector<Ahead> tenants;
  FairOrder const& turns = fair_[static_cast<std::size_t>(bucket.level)];
  for (auto const& [tenant, out] : bucket.out) {
    Ahead ahead;
    ahead.tag = turns.tag(tenant);
    ahead.step = FairOrder::kTurn / limits_.of_tenant(tenant).weight;
    for (auto const& [head, line] : out.lines) {
      auto const is_open = [now](WaitingGate const* gate) { return gate->gate.open(now); };
      if (!std::ranges::all_of(line->gates, is_open)) continue;
      std::size_t left = line->gates.empty() ? most : 1;
      for (auto at = line->orders.begin(); at != line->orders.end() && left > 0; ++at, --left)
        ahead.orders.insert(*at);
    }
    if (!ahead.orders.empty()) tenants.push_back(std::move(ahead));
  }
  auto const rank = [](Ahead const& one) { return std::pair{one.tag, *one.orders.begin()}; };
  for (; most > 0 && !tenants.empty(); --most) {
    auto const next = std::ranges::min_element(tenants, {}, rank);
    orders.push_back(*next->orders.begin());
    next->orders.erase(next->orders.begin());
    next->tag += next->step;
    if (next->orders.empty()) tenants.erase(next);
  }
}

std::vector<Order> ReadyOrder::preview(std::size_t most, BootTime now) const {
  std::vector<Order> orders;
  if (!global_.open(now)) return orders;
  for (auto const& [name, bucket] : buckets_)
    if (!is_paused(bucket.lane.pool, bucket.lane.task_type))
      preview_bucket(bucket, most, now, orders);
  return orders;
}

void ReadyOrder::hold(QueueEntry const& entry) {
  global_.hold();
  for (WaitingGate* gate : gates_of(entry))
    gate->gate.hold();
}

void ReadyOrder::give_back(QueueEntry const& entry, BootTime now) {
  global_.give_back();
  for (WaitingGate* gate : gates_of(entry)) {
    gate->gate.give_back();
    reopen(*gate, now);
  }
}

void ReadyOrder::wake(BootTime now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    WaitingGate& gate = gates_.at(due_.begin()->second);
    due_.erase(due_.begin());
    gate.due.reset();
    reopen(gate, now);
    forget_if_even(gate, now);
  }
}

std::optional<BootTime> ReadyOrder::next_due() const {
  std::optional<BootTime> due;
  if (!due_.empty()) due = due_.begin()->first;
  if (!limits_.global.rate || lines_out_ == 0 || global_.full()) return due;
  BootTime const token = global_.next_token();
  return due ? std::min(*due, token) : token;
}

std::int64_t ReadyOrder::claimed(std::string const& key) const {
  if (key.empty()) return global_.claimed();
  auto const found = gates_.find(std::string{kKeyGate} + key);
  return found == gates_.end() ? 0 : found->second.gate.claimed();
}

}  // namespace drover::broker
