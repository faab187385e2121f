#include "worker/tool_approvals.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "gateway/json_rpc.h"
#include "worker/end_write.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"

namespace drover::worker {

namespace {

using std::chrono::steady_clock;

constexpr std::size_t kExpiredAtOnce = 500;

broker::EventDraft resolved_event(Approval const& approval, RunRecord const& run) {
  return draft(contract::EventType::approval_resolved,
               contract::approval_resolved_draft(head_of(run), approval.id.str(),
                                                 to_string(approval.state), approval.comment));
}

bool is_over(Turn const& turn) {
  return turn.over || turn.fenced || turn.done.has_value();
}

// The decision, and its event where the run still has a stream to say it on.
Status record_decision(store::Transaction& transaction, broker::OutputStreams& streams,
                       Approval const& decided) {
  DROVER_TRY(decide_approval(transaction.db(), decided));
  auto const run = find_run(transaction.db(), decided.run);
  if (!run) return std::unexpected(run.error());
  if (contract::is_terminal(run->state)) return {};
  std::vector<broker::EventDraft> events;
  events.push_back(resolved_event(decided, *run));
  return append_events(transaction, streams, *run, events);
}

Result<std::vector<Approval>> pending_calls(store::Database& database,
                                            std::optional<RunId> const& run) {
  ApprovalFilter filter;
  filter.state = ApprovalState::pending;
  filter.kind = ApprovalKind::tool;
  filter.run = run;
  filter.most = kExpiredAtOnce;
  return list_approvals(database, filter);
}

}  // namespace

Approval tool_approval(ApprovalId id, GatedCall const& call, RunRecord const& run, WallTime now,
                       Millis within) {
  json::array workspaces;
  for (contract::WorkspaceGrant const& grant : run.workspaces)
    workspaces.push_back(json::object{{"id", json::string{grant.id.str()}},
                                      {"mode", contract::to_string(grant.mode)}});
  Approval approval;
  approval.id = std::move(id);
  approval.kind = ApprovalKind::tool;
  approval.run = run.id;
  approval.session = run.session;
  approval.title = fmt::format("{}: {}", call.server, call.tool);
  // Their order says nothing, and so changes nothing.
  auto const arguments = parse_json(gateway::canonical_json(call.arguments));
  approval.subject = {{"server", json::string{call.server}},
                      {"tool", json::string{call.tool}},
                      {"arguments", arguments ? *arguments : json::value(call.arguments)},
                      {"epoch", run.epoch},
                      {"workspaces", std::move(workspaces)}};
  approval.digest = approval_digest(approval.kind, run.id, approval.subject);
  approval.created_at = now;
  approval.expires_at = now + within;
  return approval;
}

Status expire_calls(store::Transaction& transaction, broker::OutputStreams& streams,
                    RunId const& run, WallTime now) {
  auto pending = pending_calls(transaction.db(), run);
  if (!pending) return std::unexpected(pending.error());
  for (Approval& approval : *pending) {
    approval.state = ApprovalState::expired;
    approval.decided_at = now;
    approval.comment = "the attempt that asked is over";
    DROVER_TRY(record_decision(transaction, streams, approval));
  }
  return {};
}

Task<Result<Approval>> ToolApprovals::ask(TurnPtr turn, GatedCall call, Millis within,
                                          gateway::McpCancelPtr cancel) {
  auto const room = services_.reserve.room();
  if (!room) co_return std::unexpected(room.error());
  Approval approval = tool_approval(ApprovalId::create(services_.clock, services_.random), call,
                                    turn->run, services_.clock.now(), within);
  auto job = [this, approval, run = turn->run](store::Transaction& transaction) -> Status {
    std::vector<broker::EventDraft> events;
    events.push_back(
        draft(contract::EventType::approval_requested,
              contract::approval_requested_draft(head_of(run), approval.id.str(),
                                                 to_string(approval.kind), approval.title)));
    DROVER_TRY(append_unit_events(transaction, services_.streams, run, events));
    return insert_approval(transaction.db(), approval);
  };
  auto wait = std::make_shared<Wait>(Wait{.turn = turn, .decided = std::nullopt});
  // Before it can be seen, so that a decision finds who waits for it.
  waiting_.emplace(approval.id, wait);
  struct Waiting {
    std::map<ApprovalId, std::shared_ptr<Wait>>* all;
    ApprovalId id;
    gateway::McpCancel* cancel;
    ~Waiting() {
      all->erase(id);
      cancel->wake = nullptr;
    }
  };
  Waiting const waiting{&waiting_, approval.id, cancel.get()};
  cancel->wake = [turn] { turn->changed.notify(); };
  auto const deadline = steady_clock::now() + within;
  auto const asked = co_await services_.writer.run(std::move(job));
  if (!asked) co_return std::unexpected(asked.error());
  for (;;) {
    auto const seen = turn->changed.version();
    if (wait->decided) co_return *wait->decided;
    if (cancel->cancelled || is_over(*turn))
      co_return co_await close(std::move(approval), ApprovalState::expired,
                               "nobody waits for it any more");
    if (steady_clock::now() >= deadline)
      co_return co_await close(std::move(approval), ApprovalState::expired,
                               fmt::format("nobody decided within {} s", within.count() / 1000));
    co_await turn->changed.wait(seen, deadline);
  }
}

// A decision that came first counts.
Task<Result<Approval>> ToolApprovals::close(Approval approval, ApprovalState state,
                                            std::string why) {
  approval.state = state;
  approval.decided_at = services_.clock.now();
  approval.comment = std::move(why);
  auto job = [this, approval](store::Transaction& transaction) {
    return record_decision(transaction, services_.streams, approval);
  };
  auto const closed = co_await write_of_end(services_, std::move(job));
  if (closed) co_return approval;
  if (closed.error().code != ErrorCode::conflict) co_return std::unexpected(closed.error());
  co_return co_await services_.readers.run(
      [id = approval.id](store::Database& database) { return find_approval(database, id); });
}

Task<Result<Approval>> ToolApprovals::decide(ApprovalId id, Decision decision,
                                             std::string comment) {
  auto found = co_await services_.readers.run(
      [id](store::Database& database) { return find_approval(database, id); });
  if (!found) co_return found;
  Approval approval = *std::move(found);
  if (approval.state != ApprovalState::pending)
    co_return std::unexpected(already_decided(approval));
  auto const wait = waiting_.find(id);
  WallTime const now = services_.clock.now();
  bool const late = approval.expires_at && now >= *approval.expires_at;
  if (wait == waiting_.end() || late)
    co_return fail_next(ErrorCode::conflict,
                        fmt::format("nothing waits for the approval {} any more", id),
                        "the agent asks again where it still wants to");
  std::shared_ptr<Wait> const waits = wait->second;
  approval.state =
      decision == Decision::approve ? ApprovalState::approved : ApprovalState::rejected;
  approval.decided_at = now;
  approval.comment = std::move(comment);
  auto job = [this, approval](store::Transaction& transaction) {
    return record_decision(transaction, services_.streams, approval);
  };
  auto const recorded = co_await services_.writer.run(std::move(job));
  if (!recorded) co_return std::unexpected(recorded.error());
  waits->decided = approval;
  waits->turn->changed.notify();
  co_return approval;
}

Task<Status> ToolApprovals::expire_all() {
  auto job = [this](store::Transaction& transaction) -> Result<std::size_t> {
    auto pending = pending_calls(transaction.db(), std::nullopt);
    if (!pending) return std::unexpected(pending.error());
    for (Approval& approval : *pending) {
      approval.state = ApprovalState::expired;
      approval.decided_at = services_.clock.now();
      approval.comment = "the server was stopped meanwhile";
      DROVER_TRY(record_decision(transaction, services_.streams, approval));
    }
    return pending->size();
  };
  for (;;) {
    auto const expired = co_await write_of_end(services_, job);
    if (!expired) co_return std::unexpected(expired.error());
    if (*expired > 0) log::info("approvals-expired", {{"count", *expired}});
    if (*expired < kExpiredAtOnce) co_return Status{};
  }
}

}  // namespace drover::worker
