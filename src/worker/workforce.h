#pragma once
// All who work on this server's runs: its own worker, and those that joined from elsewhere. Finds
// the one that has a run or a session.
//
// On the event loop.
#include <set>

#include "base/error.h"
#include "worker/joined_workers.h"
#include "worker/services.h"
#include "worker/worker.h"

namespace drover::worker {

class Workforce {
 public:
  // `own` is null where only joined workers work.
  Workforce(Services const& services, Worker* own, JoinedWorkers& joined)
      : services_(services), own_(own), joined_(joined) {}

  // A run that waits ends at once, one that works is asked to. conflict when it has ended.
  Task<Result<RunRecord>> cancel(RunId id);
  // Ends the warm units of a session that has no run; that of a joined worker a little later.
  Task<void> release(SessionId session);
  // The same for one worker; returns when it has.
  Task<void> release_from(SessionId session, WorkerId worker);
  // A model call of the third-party worker that serves `unit`; only the own worker has those.
  Task<Status> serve_model(std::string unit, net::HttpRequest request, net::HttpReply& reply);
  [[nodiscard]] bool works_on(SessionId const& session) const;
  [[nodiscard]] std::set<SessionId> active_sessions() const;
  // The run as it is shown: one that is queued and that none of these takes says what it waits for.
  [[nodiscard]] RunRecord shown(RunRecord run) const;
  [[nodiscard]] JoinedWorkers& joined() { return joined_; }

 private:
  Services const& services_;
  Worker* own_;
  JoinedWorkers& joined_;
};

}  // namespace drover::worker
