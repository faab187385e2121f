#pragma once
// Claims runs and works on them, several at once: the part of the server that turns a queue into
// finished runs.
//
// On the event loop. Life: start, stop (which leaves unfinished runs to the next start).
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "base/error.h"
#include "os/async_event.h"
#include "worker/services.h"
#include "worker/supervisor.h"
#include "worker/unit_host.h"

namespace drover::worker {

class Worker {
 public:
  Worker(Services const& services, WorkerId id);
  ~Worker();
  Worker(Worker const&) = delete;
  Worker& operator=(Worker const&) = delete;

  [[nodiscard]] Status start();
  Task<void> stop();

  // A run that waits ends at once, one that works is asked to. conflict when it has ended.
  Task<Result<RunRecord>> cancel(RunId id);
  // Ends the warm unit of a session that has no run.
  Task<void> release(SessionId session);
  [[nodiscard]] bool works_on(SessionId const& session) const;
  [[nodiscard]] std::set<SessionId> active_sessions() const;
  // Called when one comes or goes.
  void on_sessions_changed(std::function<void()> handler) {
    sessions_changed_ = std::move(handler);
  }

 private:
  Task<void> claim_loop();
  Task<void> renew_loop();
  Task<void> supervise(broker::Claim claim);
  void spawn(Task<void> task, char const* name);

  Services const& services_;
  WorkerId id_;
  UnitHost units_;
  std::function<void()> sessions_changed_;
  std::map<RunId, Supervisor*> active_;  // owned by their coroutines
  std::map<RunId, broker::Claim> claims_;
  std::size_t tasks_ = 0;  // coroutines that have not ended
  std::size_t working_ = 0;
  os::AsyncEvent changed_;  // tasks_, working_, stopping_
  bool stopping_ = false;
};

}  // namespace drover::worker
