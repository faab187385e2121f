#include "worker/supervisor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "base/text.h"
#include "worker/disk_room.h"
#include "worker/placement.h"
#include "worker/run_journal.h"
#include "worker/waiting.h"

namespace drover::worker {

namespace {

using contract::EventType;
using contract::RunReason;
using contract::RunState;
using std::chrono::steady_clock;

constexpr Millis kRetryWrite{1'000};
constexpr Millis kRetryStart{1'000};

TurnEnd end_of(TurnEnd::Kind kind, std::string detail = {}) {
  TurnEnd end;
  end.kind = kind;
  end.detail = std::move(detail);
  return end;
}

// The limit that ended a run, by its name in an invocation.
std::string_view limit_of(RunReason reason) {
  switch (reason) {
    case RunReason::timeout:
      return "timeout_s";
    case RunReason::max_turns:
      return "max_turns";
    case RunReason::budget_exhausted:
      return "max_budget_usd";
    case RunReason::oom:
      return "memory_mb";
    case RunReason::over_disk:
      return "disk_mb";
    case RunReason::no_progress:
      return "step_s";
    case RunReason::queue_timeout:
      return "queue_s";
    default:
      return {};
  }
}

std::string set_aside_note(RunRecord const& run, contract::CommitSummary const& rescued) {
  return fmt::format(
      "[Note from drover: your previous turn ended as {} ({}). Its uncommitted changes ({} files) "
      "were set aside at {} and the working tree is as it was before that turn.]",
      contract::to_string(run.state), contract::to_string(run.reason.value_or(RunReason::internal)),
      rescued.files, rescued.branch);
}

}  // namespace

Supervisor::Supervisor(WorkerParts const& parts, UnitHost& units, Assignment assignment)
    : parts_(parts),
      units_(units),
      claim_(std::move(assignment.claim)),
      run_(std::move(assignment.run)),
      session_(std::move(assignment.session)),
      folders_(std::move(assignment.folders)),
      model_(std::move(assignment.model)),
      agent_(std::move(assignment.agent)),
      served_last_(assignment.served_last),
      resumed_(run_.attempts > 1),
      usage_before_(run_.usage) {}

Supervisor::~Supervisor() = default;

void Supervisor::wake() {
  if (turn_ != nullptr) turn_->changed.notify();
}

void Supervisor::cancel() {
  cancel_ = true;
  wake();
}

void Supervisor::abandon() {
  abandon_ = true;
  wake();
}

void Supervisor::fence() {
  fenced_ = true;
  if (turn_ != nullptr) turn_->fenced = true;
  wake();
}

Task<void> Supervisor::work() {
  if (run_.state == RunState::committing) {
    auto const here = co_await check_folders();
    if (!here || abandon_) {
      TurnEnd end = here ? end_of(TurnEnd::Kind::server_stops)
                         : end_of(TurnEnd::Kind::misplaced, here.error().text());
      co_await leave_committing(decide(end, 0, 0));
      co_return;
    }
    auto checkouts = co_await check_out();
    if (checkouts) checkouts_ = *std::move(checkouts);
    co_await conclude(resume_committing(run_));
    co_return;
  }
  if (abandon_) {
    co_await conclude(decide(end_of(TurnEnd::Kind::server_stops), 0, 0));
    co_return;
  }
  TurnEnd end = end_of(TurnEnd::Kind::cancelled, "cancelled before it started");
  if (!run_.cancel_requested) {
    end = co_await drive();
  } else if (resumed_) {
    co_await take_back();
  }
  co_await conclude(decide(end, claim_.entry.failed + 1, claim_.entry.retry.attempts_max));
}

// The tree as an earlier attempt left it; what is in it is set aside at the end.
Task<void> Supervisor::take_back() {
  auto const here = co_await check_folders();
  if (!here) co_return;
  auto checkouts = co_await check_out();
  if (checkouts) {
    checkouts_ = *std::move(checkouts);
  } else {
    log::warn("changes-left", {{"run", run_.id}, {"reason", checkouts.error().text()}});
  }
}

Task<Result<std::vector<workspace::CheckedOut>>> Supervisor::check_out() {
  std::vector<workspace::CheckoutRequest> requests;
  for (contract::WorkspaceGrant const& grant : session_.workspaces) {
    auto const folder = folders_.find(grant.id);
    if (folder == folders_.end())
      co_return fail(ErrorCode::not_found, "there is no workspace {}", grant.id);
    workspace::CheckoutRequest request;
    request.path = folder->second;
    request.grant = grant;
    request.worktree = session_.worktree;
    request.branch = session_.branch;
    request.session = session_.id.str();
    request.now = parts_.clock.now();
    request.resumed = resumed_ || run_.state == RunState::committing;
    requests.push_back(std::move(request));
  }
  co_return co_await parts_.sync_pool.run(
      [requests]() -> Result<std::vector<workspace::CheckedOut>> {
        std::vector<workspace::CheckedOut> all;
        for (auto const& request : requests) {
          auto one = workspace::check_out(request);
          if (!one) return std::unexpected(one.error());
          all.push_back(*std::move(one));
        }
        return all;
      });
}

Task<Status> Supervisor::check_folders() {
  if (!parts_.options.joined) co_return Status{};
  co_return co_await parts_.pool.run(
      [session = session_, folders = folders_, options = parts_.options] {
        return require_folders(session, folders, options);
      });
}

Task<TurnEnd> Supervisor::drive() {
  auto const claimed_at = parts_.clock.boot_now();
  if (!model_) co_return end_of(TurnEnd::Kind::start_failed, model_.error().text());
  if (!agent_) co_return end_of(TurnEnd::Kind::start_failed, agent_.error().text());
  auto const here = co_await check_folders();
  if (!here) co_return end_of(TurnEnd::Kind::misplaced, here.error().text());
  auto checkouts = co_await check_out();
  if (!checkouts) co_return co_await no_start(checkouts.error());
  checkouts_ = *std::move(checkouts);

  turn_ = std::make_shared<Turn>(parts_.io.get_executor(), claim_, run_, *model_,
                                 budget_of(run_.limits));
  turn_->agent = *agent_;
  turn_->claimed_at = claimed_at;
  turn_->prompt = session_.note.empty() ? run_.prompt : session_.note + "\n\n" + run_.prompt;
  if (abandon_) co_return end_of(TurnEnd::Kind::server_stops);
  if (cancel_) co_return end_of(TurnEnd::Kind::cancelled, "cancelled before it started");
  // The warm unit of a worker that others came after remembers less than the session's files say.
  if (!served_last_) co_await units_.drop(session_.id);
  auto const acquired = co_await units_.acquire(session_, checkouts_, turn_);
  if (!acquired) co_return co_await no_start(acquired.error());
  co_return co_await wait_for_end();
}

// That of the state folder, from where nothing new is begun then, or of a workspace.
Task<bool> Supervisor::disk_is_full() {
  std::vector<std::string> others;
  for (workspace::CheckedOut const& checkout : checkouts_)
    others.push_back(checkout.path);
  co_return co_await parts_.pool.run(
      [ours = session_root(parts_.options), others = std::move(others), reserve = &parts_.reserve] {
        if (has_room(ours)) return !std::ranges::all_of(others, has_room);
        reserve->give_up();
        return true;
      });
}

// On a full disk the run waits in the queue. One that has room may have had none a moment ago.
Task<TurnEnd> Supervisor::no_start(Error error) {
  TurnEnd end = end_of(TurnEnd::Kind::start_failed, error.text());
  // It waits in the queue until its container is there and free.
  if (turn_->agent.resident && error.code == ErrorCode::unavailable) {
    end.kind = TurnEnd::Kind::misplaced;
    co_return end;
  }
  if (error.code != ErrorCode::no_space) co_return end;
  bool const full = co_await disk_is_full();
  if (full) end.kind = TurnEnd::Kind::no_space;
  if (full || --starts_left_ == 0) co_return end;
  boost::asio::steady_timer timer{parts_.io};
  timer.expires_after(kRetryStart);
  co_await timer.async_wait(boost::asio::use_awaitable);
  co_return co_await drive();
}

Task<TurnEnd> Supervisor::wait_for_end() {
  Millis const limit =
      run_.limits.timeout_s ? Millis{*run_.limits.timeout_s * 1000} : parts_.options.run_timeout;
  auto const end_at = steady_clock::now() + limit;
  turn_->heard_at = steady_clock::now();
  for (;;) {
    auto const seen = turn_->changed.version();
    // A unit that waits for a tool outside, or for a person to allow it, has nothing to say.
    bool const speaks = run_.limits.step_s && turn_->mcp_open == 0;
    auto const silent_at =
        speaks ? turn_->heard_at + std::chrono::seconds{*run_.limits.step_s} : end_at;
    auto const deadline = std::min(end_at, silent_at);
    if (turn_->fenced || fenced_) co_return end_of(TurnEnd::Kind::fenced);
    if (turn_->done) {
      TurnEnd end;
      end.ok = turn_->done->ok;
      end.reason = turn_->done->reason;
      end.detail = turn_->done->detail;
      if (end.reason != RunReason::session_error) co_return end;
      bool const full = co_await disk_is_full();
      if (full) end.kind = TurnEnd::Kind::no_space;
      end.reached_unit = true;
      co_return end;
    }
    if (turn_->unit_gone && turn_->not_started)
      co_return end_of(TurnEnd::Kind::start_failed, turn_->unit_end);
    if (turn_->unit_gone) {
      auto const kind = turn_->out_of_memory ? TurnEnd::Kind::out_of_memory
                        : turn_->over_disk   ? TurnEnd::Kind::over_disk
                                             : TurnEnd::Kind::unit_lost;
      co_return end_of(kind, turn_->unit_end);
    }
    if (abandon_) co_return end_of(TurnEnd::Kind::server_stops);
    if (cancel_) {
      TurnEnd end = end_of(TurnEnd::Kind::cancelled, "cancelled by the user");
      co_return co_await end_in_order(std::move(end));
    }
    if (steady_clock::now() >= end_at) {
      TurnEnd end = end_of(TurnEnd::Kind::timed_out,
                           fmt::format("the run took longer than {} s", limit.count() / 1000));
      co_return co_await end_in_order(std::move(end));
    }
    if (steady_clock::now() >= silent_at)
      co_return end_of(TurnEnd::Kind::silent,
                       fmt::format("no event for {} s", *run_.limits.step_s));
    co_await turn_->changed.wait(seen, deadline);
  }
}

// Lets the unit close its history before it is killed. What it says then changes nothing.
Task<TurnEnd> Supervisor::end_in_order(TurnEnd end) {
  units_.interrupt(session_.id);
  auto const deadline = steady_clock::now() + parts_.options.interrupt_grace;
  while (!turn_->done && !turn_->unit_gone && !turn_->fenced && steady_clock::now() < deadline) {
    auto const seen = turn_->changed.version();
    co_await turn_->changed.wait(seen, deadline);
  }
  if (turn_->fenced) co_return end_of(TurnEnd::Kind::fenced);
  co_return end;
}

// What the turn saw and spent becomes part of the run.
void Supervisor::take_account() {
  if (turn_ == nullptr) return;
  run_ = turn_->run;
  run_.cost_microdollars = turn_->budget.spent();
  run_.reserved_microdollars = turn_->budget.reserved();
  run_.usage = usage_before_;
  run_.usage += turn_->budget.usage();
  if (turn_->done) {
    run_.reply = turn_->done->reply;
    run_.turns = std::max(run_.turns, turn_->done->turns);
  }
}

Task<void> Supervisor::conclude(Outcome outcome) {
  if (outcome.fenced) {
    co_await leave_to_next();
    co_return;
  }
  bool keep = outcome.keep_unit;
  if (keep) {
    auto const frozen = co_await units_.freeze(session_.id);
    if (!frozen) {
      log::warn("unit-not-frozen", {{"run", run_.id}, {"reason", frozen.error().text()}});
      keep = false;
    }
  }
  if (!keep) co_await units_.drop(session_.id);
  take_account();
  std::vector<broker::EventDraft> events;
  auto const limit = limit_of(outcome.reason);
  if (!limit.empty())
    events.push_back(draft(EventType::limit, contract::limit_draft(head_of(run_), limit)));
  if (outcome.state == RunState::queued) {
    co_await put_back(std::move(outcome), std::move(events));
    co_return;
  }
  if (outcome.tree != TreeAction::leave && !checkouts_.empty()) {
    // Right before the tree is touched: it belongs to whoever holds the claim.
    auto const recorded = co_await record_committing(outcome);
    if (!recorded) {
      co_await leave_to_next();
      co_return;
    }
    co_await govern(outcome, events);
  }
  co_await finish(std::move(outcome), std::move(events));
  if (!keep) co_return;
  Millis const idle = run_.limits.idle_s ? Millis{*run_.limits.idle_s * 1000} : parts_.options.idle;
  units_.rest(session_.id, idle);
}

// Another attempt has taken over, or may have: nothing is written, and no unit of this one goes on.
Task<void> Supervisor::leave_to_next() {
  co_await units_.drop(session_.id);
  log::warn("run-fenced", {{"run", run_.id}, {"epoch", run_.epoch}});
}

// A change that is being governed is governed elsewhere.
Task<void> Supervisor::leave_committing(Outcome outcome) {
  run_.attempts -= 1;
  Step step{.claim = claim_, .run = run_, .from = run_.state, .events = {}};
  PutBack back{.step = std::move(step), .failure = std::nullopt, .delay = outcome.delay};
  auto const stored = co_await parts_.control.put_back(std::move(back));
  if (!stored) log::warn("run-not-put-back", {{"run", run_.id}, {"reason", stored.error().text()}});
}

Task<Status> Supervisor::record_committing(Outcome outcome) {
  std::vector<broker::Claim> claims{claim_};
  auto const lost = co_await parts_.control.renew(std::move(claims), parts_.options.lease);
  if (lost && !lost->empty()) co_return fail(ErrorCode::conflict, "the run {} is fenced", run_.id);
  RunState const from = run_.state;
  run_.state = RunState::committing;
  run_.reason = outcome.reason;
  run_.detail = outcome.detail;
  // A full disk may have room again; every other failure is for the next attempt.
  for (;;) {
    Step step{.claim = claim_, .run = run_, .from = from, .events = {}};
    auto const recorded = co_await parts_.control.record(std::move(step), Room::of_ends);
    if (recorded) co_return Status{};
    log::error("run-end-not-recorded", {{"run", run_.id}, {"reason", recorded.error().text()}});
    if (recorded.error().code != ErrorCode::no_space || abandon_) co_return recorded;
    boost::asio::steady_timer timer{parts_.io};
    timer.expires_after(kRetryWrite);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
}

Task<void> Supervisor::govern(Outcome& outcome, std::vector<broker::EventDraft>& events) {
  auto const started = parts_.clock.boot_now();
  for (workspace::CheckedOut const& checkout : checkouts_) {
    if (!contract::writes(checkout.mode)) continue;
    workspace::TurnChange change;
    change.checkout = checkout;
    change.session = session_.id.str();
    change.run = run_.id.str();
    change.model = run_.model;
    change.subject = session_.subject;
    change.launcher = session_.launcher;
    change.reply = run_.reply;
    change.fallback = run_.prompt;
    change.now = parts_.clock.now();
    bool const commit = outcome.tree == TreeAction::commit;
    auto const governed = co_await parts_.sync_pool.run([change, commit] {
      return commit ? workspace::commit_turn(change) : workspace::set_aside(change);
    });
    if (!governed) {
      std::string const why = governed.error().text();
      events.push_back(draft(EventType::commit_failed,
                             contract::commit_failed_draft(head_of(run_), checkout.id, why)));
      if (commit) {
        outcome.state = RunState::failed;
        outcome.reason = RunReason::commit_failed;
        outcome.detail = why;
      }
      log::error("commit-failed", {{"run", run_.id}, {"reason", why}});
      continue;
    }
    for (std::string const& sentence : governed->left_out)
      events.push_back(draft(EventType::error, contract::error_draft(head_of(run_), sentence)));
    if (!governed->changed) continue;
    run_.commits.push_back({governed->commit, governed->parent});
    events.push_back(
        draft(EventType::commit, contract::commit_draft(head_of(run_), governed->commit)));
  }
  run_.phases.commit_ms +=
      std::chrono::duration_cast<Millis>(parts_.clock.boot_now() - started).count();
}

Task<void> Supervisor::put_back(Outcome outcome, std::vector<broker::EventDraft> events) {
  RunState const from = run_.state;
  run_.state = RunState::queued;
  if (!outcome.counts) run_.attempts -= 1;
  run_.reason = outcome.reason;
  run_.detail = outcome.detail;
  auto failure = failure_of(run_, parts_.random.below(std::numeric_limits<std::uint64_t>::max()));
  Step step{.claim = claim_, .run = run_, .from = from, .events = std::move(events)};
  PutBack back{.step = std::move(step), .failure = std::move(failure), .delay = outcome.delay};
  auto const stored = co_await parts_.control.put_back(std::move(back));
  // Without this record the lease runs out, or the next start finds the claim: the same end.
  if (!stored) log::warn("run-not-put-back", {{"run", run_.id}, {"reason", stored.error().text()}});
}

Task<void> Supervisor::finish(Outcome outcome, std::vector<broker::EventDraft> events) {
  RunState const from = run_.state;
  WallTime const now = parts_.clock.now();
  run_.state = outcome.state;
  run_.reason = outcome.reason;
  run_.detail = outcome.detail;
  bool const waits = outcome.state == RunState::waiting;
  if (waits)
    run_.answer_by = answer_by(run_, now);
  else
    run_.finished_at = now;
  run_.phases.total_ms = ms_between(run_.created_at, now);
  session_.note.clear();
  if (outcome.tree == TreeAction::set_aside && !run_.commits.empty())
    session_.note = set_aside_note(run_, run_.commits.back().summary);
  session_.updated_at = now;
  for (;;) {
    Step step{.claim = claim_, .run = run_, .from = from, .events = events};
    auto const stored = co_await parts_.control.finish(std::move(step), session_);
    if (stored) break;
    log::error("run-end-not-recorded", {{"run", run_.id}, {"reason", stored.error().text()}});
    // A full disk may have room again; everything else is for the next start to take up.
    if (stored.error().code != ErrorCode::no_space || abandon_) co_return;
    boost::asio::steady_timer timer{parts_.io};
    timer.expires_after(kRetryWrite);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  log::info(waits ? "run-asks" : "run-ended", {{"run", run_.id},
                                               {"state", contract::to_string(run_.state)},
                                               {"reason", contract::to_string(*run_.reason)},
                                               {"ms", run_.phases.total_ms}});
}

}  // namespace drover::worker
