#include "worker/worker.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "base/log.h"

namespace drover::worker {

namespace {

using std::chrono::steady_clock;

constexpr Millis kClaimWait{60'000};
constexpr Millis kClaimRetry{1'000};
constexpr Millis kRenewRetry{500};
// Beyond the drain timeout, for processes of their own to put back their runs.
constexpr Millis kJobGrace{10'000};

}  // namespace

Worker::Worker(WorkerParts const& parts, WorkerId id, WorkerDuty duty)
    : parts_(parts),
      id_(std::move(id)),
      duty_(std::move(duty)),
      units_(parts_),
      tasks_(parts.io.get_executor(), "worker"),
      changed_(parts.io.get_executor()) {}

Worker::~Worker() = default;

Status Worker::start() {
  DROVER_TRY(units_.start());
  tasks_.spawn(claim_loop(), "claim");
  tasks_.spawn(renew_loop(), "renew");
  tasks_.spawn(units_.watch_idle(), "idle");
  return {};
}

Task<void> Worker::drain(os::AsyncEvent::TimePoint deadline) {
  draining_ = true;
  parts_.control.close_claims();
  changed_.notify();
  if (duty_.jobs != nullptr) duty_.jobs->drain();
  while (working_ > 0 && steady_clock::now() < deadline) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen, deadline);
  }
}

Task<void> Worker::stop() {
  stopping_ = true;
  parts_.control.close_claims();
  changed_.notify();
  for (auto& [run, supervisor] : active_)
    supervisor->abandon();
  if (duty_.jobs != nullptr) co_await duty_.jobs->end_by(steady_clock::now() + kJobGrace);
  while (working_ > 0) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen);
  }
  co_await units_.stop();
  co_await tasks_.join();
}

Task<void> Worker::wait_done() {
  while (!claims_over_ || working_ > 0) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen);
  }
}

Task<void> Worker::claim_loop() {
  bool const once = duty_.until == WorkerDuty::Until::one_run;
  while (!leaving()) {
    auto const seen = changed_.version();
    if (working_ >= parts_.options.slots) {
      co_await changed_.wait(seen);
      continue;
    }
    if (!parts_.reserve.held()) {
      co_await changed_.wait(seen, steady_clock::now() + kClaimRetry);
      continue;
    }
    ClaimWish wish{.worker = id_,
                   .filter = duty_.filter,
                   .lease = parts_.options.lease,
                   .wait = once ? Millis{0} : kClaimWait,
                   .runs_max = once ? 1 : parts_.options.slots - working_};
    auto claims = co_await parts_.control.claim(std::move(wish));
    if (!claims) {
      if (leaving()) break;
      log::error("claim-failed", {{"reason", claims.error().text()}});
      co_await changed_.wait(changed_.version(), steady_clock::now() + kClaimRetry);
      continue;
    }
    for (broker::Claim& claim : *claims) {
      ++working_;
      tasks_.spawn(supervise(std::move(claim)), "supervise");
    }
    if (once) break;
  }
  claims_over_ = true;
  changed_.notify();
}

Task<void> Worker::supervise(broker::Claim claim) {
  // Both count down also when the coroutine is left by an exception.
  struct Working {
    Worker* worker;
    ~Working() {
      --worker->working_;
      worker->changed_.notify();
    }
  };
  Working const working{this};
  struct Leave {
    Worker* worker;
    RunId run;
    ~Leave() {
      worker->active_.erase(run);
      worker->claims_.erase(run);
      worker->changed_.notify();
      if (worker->sessions_changed_) worker->sessions_changed_();
    }
  };
  RunId const id = claim.entry.run;
  // A claim that was lost may have come back to the same worker: the old attempt ends first.
  while (claims_.contains(id)) {
    fence(id);
    auto const seen = changed_.version();
    co_await changed_.wait(seen);
  }
  Leave const leave{this, id};
  Held held;
  held.claim = claim;
  held.until = parts_.clock.boot_now() + parts_.options.lease;
  claims_.insert_or_assign(id, std::move(held));
  changed_.notify();
  auto assignment = co_await parts_.control.take(std::move(claim));
  if (!assignment) {
    log::error("run-not-readable", {{"run", id}, {"reason", assignment.error().text()}});
    co_return;
  }
  if (duty_.jobs != nullptr && !assignment->interactive && !leaving()) {
    co_await work_in_process(*std::move(assignment));
    co_return;
  }
  // The unit of a process that ends has the session's journal.
  if (duty_.jobs != nullptr) co_await duty_.jobs->wait_for(assignment->session.id);
  Supervisor supervisor{parts_, units_, *std::move(assignment)};
  active_.emplace(id, &supervisor);
  if (sessions_changed_) sessions_changed_();
  if (leaving()) supervisor.abandon();
  if (claims_.at(id).cancelled) supervisor.cancel();
  if (claims_.at(id).fenced) supervisor.fence();
  log::info("run-claimed", {{"run", id}, {"epoch", supervisor.run().epoch}});
  co_await supervisor.work();
}

Task<void> Worker::work_in_process(Assignment assignment) {
  co_await units_.drop(assignment.session.id);
  co_await duty_.jobs->wait_for(assignment.session.id);
  RunId const run = assignment.run.id;
  parts_.control.hand_over(run);
  claims_.erase(run);
  // The process has a whole lease to begin in.
  std::vector<broker::Claim> claims{assignment.claim};
  auto const lost = co_await parts_.control.renew(std::move(claims), parts_.options.lease);
  if (lost && !lost->empty()) co_return;
  co_await duty_.jobs->run(std::move(assignment));
}

Task<void> Worker::renew_loop() {
  bool answered = true;
  while (!stopping_) {
    auto const due =
        steady_clock::now() + (answered ? parts_.options.lease / 3 : Millis{kRenewRetry});
    while (!stopping_ && steady_clock::now() < due) {
      auto const seen = changed_.version();
      // Without a claim there is nothing to renew, and nothing to wake up for.
      auto const deadline = claims_.empty() ? os::AsyncEvent::kForever : due;
      co_await changed_.wait(seen, deadline);
    }
    answered = co_await renew_all();
  }
}

// What was held when the question was sent is held for a lease from then on: the answer may be
// late, and nobody but this clock may say so.
Task<bool> Worker::renew_all() {
  auto const asked_at = parts_.clock.boot_now();
  std::vector<broker::Claim> claims;
  std::map<RunId, Epoch> asked;
  for (auto const& [run, held] : claims_) {
    claims.push_back(held.claim);
    asked.emplace(run, held.claim.epoch);
  }
  if (claims.empty()) co_return true;
  auto const lost = co_await parts_.control.renew(std::move(claims), parts_.options.lease);
  if (!lost) log::warn("claims-not-renewed", {{"reason", lost.error().text()}});
  if (lost) {
    // A run may have been claimed anew meanwhile: the answer is not about that.
    std::set<RunId> const over{lost->begin(), lost->end()};
    for (auto& [run, held] : claims_) {
      auto const one = asked.find(run);
      if (one == asked.end() || one->second != held.claim.epoch) continue;
      held.until = asked_at + parts_.options.lease;
      if (over.contains(run)) fence(run);
    }
  }
  for (auto const& [run, held] : claims_)
    if (held.until <= parts_.clock.boot_now()) fence(run);
  co_return lost.has_value();
}

void Worker::fence(RunId const& run) {
  if (auto const held = claims_.find(run); held != claims_.end()) held->second.fenced = true;
  auto const supervisor = active_.find(run);
  if (supervisor != active_.end()) supervisor->second->fence();
}

void Worker::cancel(RunId const& run) {
  if (auto const held = claims_.find(run); held != claims_.end()) held->second.cancelled = true;
  auto const supervisor = active_.find(run);
  if (supervisor != active_.end()) supervisor->second->cancel();
}

Task<void> Worker::release(SessionId session) {
  if (works_on(session)) co_return;
  if (duty_.jobs != nullptr) co_await duty_.jobs->wait_for(session);
  co_await units_.drop(std::move(session));
}

Task<void> Worker::release_all() {
  std::vector<SessionId> const resting = units_.resting();
  for (SessionId const& session : resting)
    co_await release(session);
}

Task<Status> Worker::serve_model(std::string unit, net::HttpRequest request,
                                 net::HttpReply& reply) {
  co_return co_await units_.serve_model(std::move(unit), std::move(request), reply);
}

std::set<SessionId> Worker::active_sessions() const {
  std::set<SessionId> sessions;
  for (auto const& [run, supervisor] : active_)
    sessions.insert(supervisor->run().session);
  return sessions;
}

bool Worker::works_on(SessionId const& session) const {
  for (auto const& [run, supervisor] : active_)
    if (supervisor->run().session == session) return true;
  return false;
}

}  // namespace drover::worker
