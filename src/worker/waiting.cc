#include "worker/waiting.h"

#include <fmt/format.h>

#include <utility>

#include "worker/run_journal.h"
#include "worker/run_store.h"

namespace drover::worker {

namespace {

using contract::RunReason;
using contract::RunState;

Status end_waiting(store::Transaction& transaction, broker::OutputStreams& streams, RunRecord run,
                   RunReason reason, std::string detail, WallTime now,
                   std::vector<broker::EventDraft> events = {}) {
  RunState const from = run.state;
  run.state = contract::resting_state(reason);
  run.reason = reason;
  run.detail = std::move(detail);
  run.answer_by.reset();
  run.finished_at = now;
  run.phases.total_ms = ms_between(run.created_at, now);
  return finish_run(transaction, streams, run, from, std::move(events));
}

std::string answered_by(RunId const& answer) {
  return fmt::format("answered by the run {}", answer);
}

}  // namespace

WallTime answer_by(RunRecord const& run, WallTime now) {
  return now + (run.limits.wait_s ? std::chrono::seconds{*run.limits.wait_s}
                                  : std::chrono::seconds{kAnswerWithin});
}

Status begin_waiting(store::Transaction& transaction, broker::OutputStreams& streams,
                     RunRecord const& run, RunState from,
                     std::vector<broker::EventDraft> const& events, WallTime now) {
  DROVER_TRY(write_run(transaction, streams, run, from, events));
  auto const answer = find_queued_run(transaction.db(), run.session);
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return {};
  return end_waiting(transaction, streams, run, RunReason::completed, answered_by(**answer), now);
}

Status answer_waiting(store::Transaction& transaction, broker::OutputStreams& streams,
                      RunRecord const& answer, WallTime now) {
  RunFilter filter;
  filter.session = answer.session.str();
  filter.state = contract::to_string(RunState::waiting);
  auto const waiting = list_runs(transaction.db(), filter);
  if (!waiting) return std::unexpected(waiting.error());
  for (RunRecord const& run : *waiting)
    DROVER_TRY(
        end_waiting(transaction, streams, run, RunReason::completed, answered_by(answer.id), now));
  return {};
}

Status cancel_waiting(store::Transaction& transaction, broker::OutputStreams& streams,
                      RunRecord const& run, WallTime now) {
  auto const found = find_run(transaction.db(), run.id);
  if (!found) return std::unexpected(found.error());
  if (found->state != RunState::waiting) return {};
  return end_waiting(transaction, streams, *found, RunReason::cancelled_by_user,
                     "cancelled while it waited for an answer", now);
}

Result<std::size_t> expire_waiting(store::Transaction& transaction, broker::OutputStreams& streams,
                                   WallTime now) {
  auto const overdue = runs_to_answer_by(transaction.db(), now);
  if (!overdue) return std::unexpected(overdue.error());
  for (RunRecord const& run : *overdue) {
    std::vector<broker::EventDraft> events;
    events.push_back(
        draft(contract::EventType::limit, contract::limit_draft(head_of(run), "wait_s")));
    DROVER_TRY(end_waiting(transaction, streams, run, RunReason::input_timeout,
                           "nobody answered its question in time", now, std::move(events)));
  }
  return overdue->size();
}

}  // namespace drover::worker
