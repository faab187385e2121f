#include "worker/proposals.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "contract/event.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"
#include "worker/session_removal.h"
#include "workspace/session_tree.h"

namespace drover::worker {

namespace {

constexpr std::string_view kRunPrefix = "run-";

// One proposal a run: its name is the run's.
ApprovalId id_of(RunId const& run) {
  std::string_view name = run.str();
  if (name.starts_with(kRunPrefix)) name.remove_prefix(kRunPrefix.size());
  return ApprovalId::trusted(fmt::format("{}-{}", ApprovalTag::kPrefix, name));
}

contract::WorkspaceGrant const* proposed(SessionRecord const& session) {
  auto const grant = std::ranges::find(session.workspaces, contract::WorkspaceMode::propose,
                                       &contract::WorkspaceGrant::mode);
  return grant == session.workspaces.end() ? nullptr : &*grant;
}

std::string text_in(json::object const& object, std::string_view key) {
  return std::string{string_or(object, key, "")};
}

}  // namespace

std::optional<Approval> proposal_of(RunRecord const& run, SessionRecord const& session,
                                    std::optional<Approval> const& before, WallTime now) {
  auto const* const grant = proposed(session);
  bool const done = run.state == contract::RunState::succeeded;
  if (grant == nullptr || !done || run.commits.empty()) return std::nullopt;
  CommitRecord const& last = run.commits.back();
  std::string base = run.commits.front().parent;
  if (before && text_in(before->subject, "head") == base) base = text_in(before->subject, "base");
  Approval approval;
  approval.id = id_of(run.id);
  approval.run = run.id;
  approval.session = run.session;
  approval.title = last.summary.subject;
  approval.subject = {{"workspace", json::string{grant->id.str()}},
                      {"branch", json::string{session.branch}},
                      {"base", json::string{base}},
                      {"head", json::string{last.summary.sha}}};
  approval.digest = approval_digest(approval.kind, run.id, approval.subject);
  approval.created_at = now;
  return approval;
}

Status open_proposal(store::Transaction& transaction, RunRecord const& run,
                     SessionRecord const& session, WallTime now,
                     std::vector<broker::EventDraft>& events) {
  if (proposed(session) == nullptr || run.commits.empty()) return {};
  ApprovalFilter filter;
  filter.state = ApprovalState::pending;
  filter.session = run.session;
  filter.kind = ApprovalKind::change;
  filter.most = 1;
  auto const pending = list_approvals(transaction.db(), filter);
  if (!pending) return std::unexpected(pending.error());
  auto const before = pending->empty() ? std::nullopt : std::optional{pending->front()};
  auto const approval = proposal_of(run, session, before, now);
  if (!approval) return {};
  DROVER_TRY(insert_approval(transaction.db(), *approval));
  events.push_back(
      draft(contract::EventType::approval_requested,
            contract::approval_requested_draft(head_of(run), approval->id.str(),
                                               to_string(approval->kind), approval->title)));
  return {};
}

Task<Result<Approval>> Proposals::decide(ApprovalId id, Decision decision, std::string comment) {
  auto found = co_await services_.readers.run(
      [id](store::Database& database) { return find_approval(database, id); });
  if (!found) co_return found;
  Approval approval = *std::move(found);
  if (approval.state != ApprovalState::pending)
    co_return std::unexpected(already_decided(approval));
  if (!under_way_.insert(id).second)
    co_return fail_next(ErrorCode::conflict, fmt::format("the approval {} is being decided", id),
                        "look again in a moment");
  auto const carried_out = co_await carry_out(approval, decision);
  under_way_.erase(id);
  if (!carried_out) co_return std::unexpected(carried_out.error());
  approval.state =
      decision == Decision::approve ? ApprovalState::approved : ApprovalState::rejected;
  approval.decided_at = services_.clock.now();
  approval.comment = std::move(comment);
  auto const recorded = co_await services_.writer.run([approval](store::Transaction& transaction) {
    return decide_approval(transaction.db(), approval);
  });
  if (!recorded) co_return std::unexpected(recorded.error());
  co_return approval;
}

Task<Status> Proposals::carry_out(Approval approval, Decision decision) {
  auto const session = co_await services_.readers.run(
      [id = approval.session](store::Database& database) { return find_session(database, id); });
  if (!session) co_return std::unexpected(session.error());
  if (workforce_.works_on(approval.session))
    co_return fail_next(ErrorCode::conflict,
                        fmt::format("the session {} is at work", approval.session),
                        "wait until its run has ended, or cancel it");
  auto const tree = session_tree(services_, *session);
  if (!tree) co_return std::unexpected(tree.error());
  if (!*tree) co_return fail(ErrorCode::conflict, "the session {} has no branch", approval.session);
  auto const head = git::Oid::parse(text_in(approval.subject, "head"));
  auto const base = git::Oid::parse(text_in(approval.subject, "base"));
  if (!head || !base)
    co_return fail(ErrorCode::data_corrupt, "the approval {} names no commit", approval.id);
  WallTime const now = services_.clock.now();
  if (decision == Decision::reject) {
    workspace::Discard terms{.from = *head, .base = *base, .run = approval.run.str(), .now = now};
    co_return co_await services_.sync_pool.run(
        [place = **tree, terms] { return workspace::discard(place, terms); });
  }
  workspace::LandTerms terms;
  terms.session = approval.session.str();
  terms.now = now;
  terms.at = *head;
  co_return co_await services_.sync_pool.run([place = **tree, terms]() -> Status {
    auto const landed = workspace::land(place, terms);
    if (!landed) return std::unexpected(landed.error());
    if (landed->kind == git::LandKind::conflicts)
      return std::unexpected(workspace::land_conflict(place, *landed));
    return {};
  });
}

}  // namespace drover::worker
