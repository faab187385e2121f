#include "worker/joined_workers.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "base/log.h"
#include "worker/run_journal.h"
#include "worker/waiting.h"

namespace drover::worker {

namespace {

using contract::RunReason;
using contract::RunState;
using std::chrono::steady_clock;

constexpr Millis kForgetAfter{60 * 60'000};
// Model calls of a turn that has ended are cut by then; what they cost belongs to the run.
constexpr Millis kCallsEnd{5'000};
constexpr Millis kDelayMax{60 * 60'000};
// A worker that does not end a warm unit by then cannot reach it either, and it ends by itself.
constexpr Millis kReleaseWait{15'000};
constexpr Millis kSilence{45'000};

std::unexpected<Error> fenced(RunId const& run, Epoch epoch) {
  return fail(ErrorCode::conflict, "the claim of the run {} at epoch {} is over", run,
              static_cast<std::int64_t>(epoch));
}

}  // namespace

struct JoinedWorkers::Desk {
  Desk(WorkerCard known, boost::asio::any_io_executor executor)
      : card(std::move(known)), changed(executor), confirmed(std::move(executor)) {}
  WorkerCard card;
  steady_clock::time_point heard_at = steady_clock::now();
  std::set<SessionId> released;  // and not yet confirmed
  bool lost_claim = false;       // since it was last heard of: it may be dead
  bool left = false;
  bool dead = false;       // though processes of it may live, and be heard of
  os::AsyncEvent changed;  // what is asked of it
  os::AsyncEvent confirmed;
};

struct JoinedWorkers::Held {
  SessionRecord session;
  Millis lease{0};
  TurnPtr turn;
  model::Usage usage_before;
  RunState recorded = RunState::claimed;  // in the store
  std::int64_t steps = 0;                 // taken
  bool storing = false;
  std::size_t calls = 0;
  bool cancelled = false;

  [[nodiscard]] broker::Claim const& claim() const { return turn->claim; }
  [[nodiscard]] ClaimName name() const { return {claim().entry.run, claim().epoch}; }
};

JoinedWorkers::JoinedWorkers(Services const& services, Control& control, PoolBook const& pools)
    : services_(services), control_(control), pools_(pools) {}

JoinedWorkers::~JoinedWorkers() = default;

Result<WorkerCard> JoinedWorkers::join(WorkerCard given) {
  forget_silent();
  auto complete = completed(std::move(given), pools_.pools());
  if (!complete) return complete;
  WorkerCard card = *std::move(complete);
  auto const known = desks_.find(card.id);
  if (known != desks_.end()) {
    known->second->card = card;
    known->second->heard_at = steady_clock::now();
    return card;
  }
  if (desks_.size() >= kJoinedWorkersMax)
    return fail_next(ErrorCode::unavailable,
                     fmt::format("{} workers have joined already", desks_.size()),
                     "those that are not heard of for an hour are forgotten");
  log::info("worker-joined", {{"worker", card.id}, {"host", card.host}, {"mode", card.mode}});
  desks_.emplace(card.id, std::make_shared<Desk>(card, services_.io.get_executor()));
  return card;
}

void JoinedWorkers::forget_silent() {
  std::erase_if(desks_, [](auto const& item) {
    return steady_clock::now() - item.second->heard_at > kForgetAfter;
  });
}

Task<Status> JoinedWorkers::leave(WorkerId worker) {
  auto const desk = desks_.find(worker);
  if (desk == desks_.end()) co_return Status{};
  desk->second->left = true;
  desk->second->confirmed.notify();
  desks_.erase(desk);
  log::info("worker-left", {{"worker", worker}});
  std::vector<ClaimName> left;
  for (auto const& [run, held] : held_)
    if (held->claim().worker == worker) left.push_back(held->name());
  co_await give_back(std::move(left));
  co_return Status{};
}

std::vector<WorkerView> JoinedWorkers::list() const {
  std::vector<WorkerView> views;
  for (auto const& [id, desk] : desks_) {
    WorkerView view{
        .card = desk->card,
        .silent = std::chrono::duration_cast<Millis>(steady_clock::now() - desk->heard_at),
        .runs = {}};
    for (auto const& [run, held] : held_)
      if (held->claim().worker == id) view.runs.push_back(run);
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<broker::ClaimFilter> JoinedWorkers::filters() const {
  std::vector<broker::ClaimFilter> all;
  for (auto const& [id, desk] : desks_)
    if (steady_clock::now() - desk->heard_at <= kSilence) all.push_back(desk->card.filter);
  return all;
}

Result<JoinedWorkers::DeskPtr> JoinedWorkers::desk_of(WorkerId const& worker) {
  auto const found = desks_.find(worker);
  if (found == desks_.end())
    return fail(ErrorCode::not_found, "the worker {} has not joined this server", worker);
  found->second->heard_at = steady_clock::now();
  found->second->lost_claim = false;
  return found->second;
}

// Whoever shows a claim that stands has another lease of it.
Result<JoinedWorkers::HeldPtr> JoinedWorkers::held_by(WorkerId const& worker,
                                                      ClaimName const& claim) {
  auto const desk = desk_of(worker);
  if (!desk) return std::unexpected(desk.error());
  auto const found = held_.find(claim.run);
  if (found == held_.end()) return fenced(claim.run, claim.epoch);
  HeldPtr held = found->second;
  if (held->claim().epoch != claim.epoch || held->claim().worker != worker)
    return fenced(claim.run, claim.epoch);
  if (services_.queue.renew(held->claim(), held->lease)) return held;
  drop(held);
  return fenced(claim.run, claim.epoch);
}

void JoinedWorkers::hold(Assignment const& assignment, Millis lease) {
  auto held = std::make_shared<Held>();
  held->session = assignment.session;
  held->lease = lease;
  held->usage_before = assignment.run.usage;
  held->recorded = assignment.run.state;
  held->cancelled = assignment.run.cancel_requested;
  held->turn = std::make_shared<Turn>(services_.io.get_executor(), assignment.claim, assignment.run,
                                      assignment.model ? *assignment.model : gateway::ReadyModel{},
                                      budget_of(assignment.run.limits));
  if (assignment.agent) held->turn->agent = *assignment.agent;
  held_.insert_or_assign(assignment.run.id, std::move(held));
  if (sessions_changed_) sessions_changed_();
}

void JoinedWorkers::drop(HeldPtr const& held) {
  held->turn->over = true;
  held->turn->changed.notify();
  auto const found = held_.find(held->claim().entry.run);
  if (found != held_.end() && found->second == held) held_.erase(found);
  if (sessions_changed_) sessions_changed_();
}

Task<Result<std::vector<Assignment>>> JoinedWorkers::claim(ClaimWish wish) {
  auto const desk = desk_of(wish.worker);
  if (!desk) co_return std::unexpected(desk.error());
  Millis const lease = wish.lease;
  wish.filter.labels = (*desk)->card.filter.labels;
  auto claims = co_await control_.claim(std::move(wish));
  if (!claims) co_return std::unexpected(claims.error());
  // While it waited it left, or lost what it had: then nobody may be there to take this up.
  auto const still = desks_.find((*desk)->card.id);
  bool const there = still != desks_.end() && still->second == *desk && !(*desk)->lost_claim;
  std::vector<Assignment> assignments;
  for (broker::Claim& claim : *claims) {
    RunId const run = claim.entry.run;
    auto assignment = co_await control_.take(std::move(claim));
    if (!assignment) {
      log::error("run-not-readable", {{"run", run}, {"reason", assignment.error().text()}});
      continue;
    }
    hold(*assignment, lease);
    assignments.push_back(*std::move(assignment));
  }
  if (!there) {
    std::vector<ClaimName> unwanted;
    for (Assignment const& assignment : assignments)
      unwanted.push_back({.run = assignment.run.id, .epoch = assignment.claim.epoch});
    assignments.clear();
    co_await give_back(std::move(unwanted));
  }
  co_return assignments;
}

Task<void> JoinedWorkers::give_back(std::vector<ClaimName> claims) {
  for (ClaimName const& claim : claims) {
    auto const found = held_.find(claim.run);
    if (found == held_.end() || found->second->claim().epoch != claim.epoch) continue;
    HeldPtr const held = found->second;
    PutBack back{.step = {.claim = held->claim(),
                          .run = held->turn->run,
                          .from = held->recorded,
                          .events = {}},
                 .failure = std::nullopt,
                 .delay = Millis{0}};
    drop(held);
    // A change that was being governed is governed by whoever claims the run next.
    if (back.step.run.state != RunState::committing) {
      back.step.run.state = RunState::queued;
      back.step.run.reason = RunReason::interrupted;
      back.step.run.detail = "its worker left";
    }
    auto const stored = co_await control_.put_back(std::move(back));
    // Without this record the lease runs out: the same end.
    if (!stored)
      log::warn("run-not-put-back", {{"run", claim.run}, {"reason", stored.error().text()}});
  }
}

Task<Result<Orders>> JoinedWorkers::beat(WorkerId worker, std::vector<ClaimName> claims,
                                         std::uint64_t seen, Millis wait) {
  auto const found = desk_of(worker);
  if (!found) co_return std::unexpected(found.error());
  DeskPtr const desk = *found;
  Orders orders;
  for (ClaimName const& claim : claims)
    if (!held_by(worker, claim)) orders.lost.push_back(claim.run);
  if (orders.lost.empty() && wait > Millis{0}) {
    co_await desk->changed.wait(seen, steady_clock::now() + wait);
    desk->heard_at = steady_clock::now();
  }
  orders.version = desk->changed.version();
  for (auto const& [run, held] : held_)
    if (held->cancelled && held->claim().worker == worker) orders.cancelled.push_back(run);
  orders.released.assign(desk->released.begin(), desk->released.end());
  orders.offers = offers_for(worker);
  co_return orders;
}

Task<Status> JoinedWorkers::lose(WorkerId worker, std::vector<ClaimName> claims) {
  auto const desk = desk_of(worker);
  if (!desk) co_return std::unexpected(desk.error());
  for (ClaimName const& claim : claims) {
    auto const found = held_by(worker, claim);
    if (!found) continue;
    HeldPtr const held = *found;
    log::warn("worker-lost-process", {{"worker", worker}, {"run", claim.run}});
    held->turn->fenced = true;
    broker::Claim lost = held->claim();
    // Before the queue says so: the worker itself lives, and what it waits for is still wanted.
    drop(held);
    auto const said = co_await control_.lose(std::move(lost));
    if (!said) co_return said;
  }
  co_return Status{};
}

Status JoinedWorkers::bereave(WorkerId const& worker) {
  auto const desk = desk_of(worker);
  if (!desk) return std::unexpected(desk.error());
  (*desk)->dead = true;
  (*desk)->confirmed.notify();
  return {};
}

Task<Status> JoinedWorkers::take_step(WorkerId worker, RunId run, WireStep step) {
  ClaimName const claim{.run = run, .epoch = step.epoch};
  auto const found = held_by(worker, claim);
  if (!found) co_return std::unexpected(found.error());
  HeldPtr held = *found;
  // A worker that did not hear the answer says it again.
  if (step.number <= held->steps) co_return Status{};
  // One whose sender was cut off while it waited for the answer may still be on its way to the
  // disk.
  if (held->storing)
    co_return fail(ErrorCode::unavailable, "another step of the run {} is being stored", run);
  struct Storing {
    Held* held;
    ~Storing() { held->storing = false; }
  };
  held->storing = true;
  Storing const storing{held.get()};
  std::int64_t const number = step.number;
  HeldPtr same = held;
  auto const stored = co_await store(std::move(same), std::move(step));
  if (stored) held->steps = number;
  co_return stored;
}

Task<Status> JoinedWorkers::store(HeldPtr held, WireStep step) {
  RunRecord run = held->turn->run;
  // Events alone change nothing of the run.
  if (step.kind != WireStep::Kind::append) apply(step.change, run);
  if (step.kind == WireStep::Kind::finish || step.kind == WireStep::Kind::put_back)
    co_return co_await store_end(std::move(held), std::move(step), std::move(run));
  // Model calls of the turn write the run as well: they go on from this.
  RunState const to = run.state;
  held->turn->run = run;
  Room const room = step.room;
  Step durable{.claim = held->claim(),
               .run = std::move(run),
               .from = held->recorded,
               .events = std::move(step.events)};
  Status stored;
  if (step.kind == WireStep::Kind::append) {
    stored = co_await control_.append(std::move(durable), room);
  } else {
    stored = co_await control_.record(std::move(durable), room);
    if (stored) held->recorded = to;
  }
  co_return stored;
}

Task<Status> JoinedWorkers::store_end(HeldPtr held, WireStep step, RunRecord run) {
  Turn& turn = *held->turn;
  turn.over = true;
  auto const deadline = steady_clock::now() + kCallsEnd;
  while (held->calls > 0 && steady_clock::now() < deadline) {
    auto const seen = turn.changed.version();
    co_await turn.changed.wait(seen, deadline);
  }
  WallTime const now = services_.clock.now();
  run.turns = std::max(run.turns, turn.run.turns);
  run.phases.model_ms = turn.run.phases.model_ms;
  run.cost_microdollars = turn.budget.spent();
  run.reserved_microdollars = turn.budget.reserved();
  run.usage = held->usage_before;
  run.usage += turn.budget.usage();
  Step durable{.claim = held->claim(),
               .run = std::move(run),
               .from = held->recorded,
               .events = std::move(step.events)};
  Status stored;
  if (step.kind == WireStep::Kind::finish) {
    if (durable.run.state == RunState::waiting) {
      durable.run.answer_by = answer_by(durable.run, now);
    } else {
      durable.run.finished_at = now;
    }
    durable.run.phases.total_ms = ms_between(durable.run.created_at, now);
    SessionRecord session = held->session;
    session.note = std::move(step.note);
    session.updated_at = now;
    stored = co_await control_.finish(std::move(durable), std::move(session));
  } else {
    PutBack back{.step = std::move(durable),
                 .failure = std::nullopt,
                 .delay = std::clamp(step.delay, Millis{0}, kDelayMax)};
    if (step.failure)
      back.failure = failure_of(back.step.run,
                                services_.random.below(std::numeric_limits<std::uint64_t>::max()));
    stored = co_await control_.put_back(std::move(back));
  }
  if (stored) drop(held);
  co_return stored;
}

Task<Status> JoinedWorkers::serve_model(WorkerId worker, ClaimName claim, net::HttpRequest request,
                                        net::HttpReply& reply) {
  auto const found = held_by(worker, claim);
  if (!found) co_return std::unexpected(found.error());
  HeldPtr const held = *found;
  struct Calling {
    Held* held;
    ~Calling() {
      --held->calls;
      held->turn->changed.notify();
    }
  };
  ++held->calls;
  Calling const calling{held.get()};
  TurnPtr turn = held->turn;
  co_return co_await control_.serve_model(std::move(turn), std::move(request), reply);
}

Task<Status> JoinedWorkers::serve_mcp(WorkerId worker, ClaimName claim, net::HttpRequest request,
                                      net::HttpReply& reply) {
  auto const found = held_by(worker, claim);
  if (!found) co_return std::unexpected(found.error());
  TurnPtr turn = (*found)->turn;
  co_return co_await control_.serve_mcp(std::move(turn), std::move(request), reply);
}

void JoinedWorkers::cancel(RunId const& run) {
  auto const found = held_.find(run);
  if (found == held_.end()) return;
  found->second->cancelled = true;
  auto const desk = desks_.find(found->second->claim().worker);
  if (desk != desks_.end()) desk->second->changed.notify();
}

void JoinedWorkers::release(SessionId const& session) {
  for (auto const& [id, desk] : desks_) {
    desk->released.insert(session);
    desk->changed.notify();
  }
}

Status JoinedWorkers::confirm_release(WorkerId const& worker, SessionId const& session) {
  auto const desk = desk_of(worker);
  if (!desk) return std::unexpected(desk.error());
  (*desk)->released.erase(session);
  (*desk)->confirmed.notify();
  return {};
}

Task<void> JoinedWorkers::release_from(SessionId session, WorkerId worker) {
  auto const found = desks_.find(worker);
  if (found == desks_.end()) co_return;
  DeskPtr const desk = found->second;
  // Nobody would answer; a unit ends by itself once its worker is gone.
  if (desk->dead || desk->lost_claim || steady_clock::now() - desk->heard_at > kSilence) co_return;
  desk->released.insert(session);
  desk->changed.notify();
  auto const deadline = steady_clock::now() + kReleaseWait;
  auto const is_gone = [&desk] { return desk->left || desk->dead; };
  while (!is_gone() && desk->released.contains(session) && steady_clock::now() < deadline) {
    auto const seen = desk->confirmed.version();
    co_await desk->confirmed.wait(seen, deadline);
  }
  if (desk->released.contains(session) && !is_gone())
    log::warn("unit-not-released", {{"session", session}, {"worker", worker}});
}

void JoinedWorkers::on_expired(broker::ExpiredLease const& lease) {
  auto const found = held_.find(lease.run);
  if (found == held_.end() || found->second->claim().epoch != lease.epoch) return;
  log::warn("worker-lost-claim",
            {{"worker", lease.worker}, {"run", lease.run}, {"times", lease.lost}});
  HeldPtr const held = found->second;
  auto const desk = desks_.find(held->claim().worker);
  if (desk != desks_.end()) desk->second->lost_claim = true;
  held->turn->fenced = true;
  drop(held);
}

void JoinedWorkers::offers_changed() {
  for (auto const& [id, desk] : desks_)
    desk->changed.notify();
}

std::optional<broker::RedisOffers> JoinedWorkers::offers_for(WorkerId const& worker) const {
  auto const desk = desks_.find(worker);
  if (!offers_ || desk == desks_.end()) return std::nullopt;
  auto offers = offers_();
  if (!offers) return offers;
  std::erase_if(offers->lanes, [&](broker::QueueLane const& lane) {
    return !broker::admits(desk->second->card.filter, lane);
  });
  return offers;
}

bool JoinedWorkers::works_on(SessionId const& session) const {
  return std::ranges::any_of(held_,
                             [&](auto const& item) { return item.second->session.id == session; });
}

std::set<SessionId> JoinedWorkers::active_sessions() const {
  std::set<SessionId> sessions;
  for (auto const& [run, held] : held_)
    sessions.insert(held->session.id);
  return sessions;
}

}  // namespace drover::worker
