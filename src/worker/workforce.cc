#include "worker/workforce.h"

#include <chrono>
#include <utility>

#include "worker/end_write.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"
#include "worker/waiting.h"

namespace drover::worker {

using contract::RunReason;
using contract::RunState;

Task<Result<RunRecord>> Workforce::cancel(RunId id) {
  auto found = co_await services_.readers.run(
      [id](store::Database& database) { return find_run(database, id); });
  if (!found) co_return found;
  if (contract::is_terminal(found->state))
    co_return fail(ErrorCode::conflict, "the run {} has ended already: {}", id,
                   contract::to_string(found->state));
  co_return co_await cancel_queued(*std::move(found));
}

Task<Result<RunRecord>> Workforce::cancel_queued(RunRecord run) {
  run.reason = RunReason::cancelled_by_user;
  run.detail = "cancelled before it started";
  run.finished_at = services_.clock.now();
  run.phases.total_ms =
      std::chrono::duration_cast<Millis>(*run.finished_at - run.created_at).count();
  auto job = [this, run](store::Transaction& transaction) -> Result<broker::CancelOutcome> {
    DROVER_TRY(request_cancel(transaction.db(), run.id));
    auto const outcome = services_.queue.cancel(transaction, run.id);
    if (outcome && *outcome == broker::CancelOutcome::absent)
      DROVER_TRY(cancel_waiting(transaction, services_.streams, run, *run.finished_at));
    if (!outcome || *outcome != broker::CancelOutcome::removed) return outcome;
    RunRecord after = run;
    after.state = RunState::cancelled;
    DROVER_TRY(finish_run(transaction, services_.streams, after, run.state));
    return outcome;
  };
  auto const cancelled = co_await write_of_end(services_, std::move(job));
  if (!cancelled) co_return std::unexpected(cancelled.error());
  if (*cancelled == broker::CancelOutcome::claimed) {
    if (own_ != nullptr) own_->cancel(run.id);
    joined_.cancel(run.id);
  }
  co_return co_await services_.readers.run(
      [id = run.id](store::Database& database) { return find_run(database, id); });
}

Task<void> Workforce::release(SessionId session) {
  joined_.release(session);
  if (own_ != nullptr) co_await own_->release(std::move(session));
}

Task<void> Workforce::release_from(SessionId session, WorkerId worker) {
  if (own_ != nullptr && own_->id() == worker) {
    co_await own_->release(std::move(session));
  } else {
    co_await joined_.release_from(std::move(session), std::move(worker));
  }
}

bool Workforce::works_on(SessionId const& session) const {
  return joined_.works_on(session) || (own_ != nullptr && own_->works_on(session));
}

std::set<SessionId> Workforce::active_sessions() const {
  std::set<SessionId> sessions = joined_.active_sessions();
  if (own_ != nullptr) sessions.merge(own_->active_sessions());
  return sessions;
}

}  // namespace drover::worker
