#include "worker/workforce.h"

#include <chrono>
#include <utility>

#include "worker/end_write.h"
#include "worker/run_journal.h"
#include "worker/run_store.h"
#include "worker/waits_for.h"

namespace drover::worker {

Task<Result<RunRecord>> Workforce::cancel(RunId id) {
  auto const found = co_await services_.readers.run(
      [id](store::Database& database) { return find_run(database, id); });
  if (!found) co_return found;
  if (contract::is_terminal(found->state))
    co_return fail(ErrorCode::conflict, "the run {} has ended already: {}", id,
                   contract::to_string(found->state));
  auto job = [this, id, now = services_.clock.now()](store::Transaction& transaction) {
    return cancel_run(transaction, services_.streams, services_.queue, id, now);
  };
  auto const cancelled = co_await write_of_end(services_, std::move(job));
  if (!cancelled) co_return std::unexpected(cancelled.error());
  if (*cancelled == broker::CancelOutcome::claimed) {
    if (own_ != nullptr) own_->cancel(id);
    joined_.cancel(id);
  }
  co_return co_await services_.readers.run(
      [id](store::Database& database) { return find_run(database, id); });
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

Task<Status> Workforce::serve_model(std::string unit, net::HttpRequest request,
                                    net::HttpReply& reply) {
  if (own_ == nullptr) co_return fail(ErrorCode::conflict, "the unit {} has no turn now", unit);
  co_return co_await own_->serve_model(std::move(unit), std::move(request), reply);
}

RunRecord Workforce::shown(RunRecord run) const {
  if (run.state != contract::RunState::queued) return run;
  auto const entry = services_.queue.find_unclaimed(run.id);
  if (!entry) return run;
  std::vector<broker::ClaimFilter> present = joined_.filters();
  if (own_ != nullptr) present.push_back(own_->filter());
  std::string const what = waits_for(broker::lane_of(*entry), present);
  if (!what.empty()) run.detail += run.detail.empty() ? what : "; " + what;
  return run;
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
