#pragma once
// Claims runs and works on them, several at once: the part that turns a queue into finished runs,
// inside the server or in a process of its own.
//
// On the event loop. Life: start, drain where there is time for it, stop (which puts unfinished
// runs back).
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "base/error.h"
#include "os/async_event.h"
#include "os/task_group.h"
#include "worker/job_host.h"
#include "worker/supervisor.h"
#include "worker/unit_host.h"
#include "worker/worker_parts.h"

namespace drover::worker {

// What it takes, and how long it goes on.
struct WorkerDuty {
  enum class Until : std::uint8_t {
    stopped,
    one_run,  // or none, where none can be claimed now
  };
  broker::ClaimFilter filter;
  Until until = Until::stopped;
  JobHost* jobs =
      nullptr;  // works on the runs that nobody waits for; null: they are worked on here
};

class Worker {
 public:
  Worker(WorkerParts const& parts, WorkerId id, WorkerDuty duty = {});
  ~Worker();
  Worker(Worker const&) = delete;
  Worker& operator=(Worker const&) = delete;

  [[nodiscard]] Status start();
  // Claims nothing more, and returns when no run is worked on, or at the deadline.
  Task<void> drain(os::AsyncEvent::TimePoint deadline);
  Task<void> stop();
  // Returns when its duty is done: it claims nothing more, and no run is worked on.
  Task<void> wait_done();

  [[nodiscard]] WorkerId const& id() const { return id_; }
  [[nodiscard]] broker::ClaimFilter const& filter() const { return duty_.filter; }
  // Asks a run that it works on to end.
  void cancel(RunId const& run);
  // Ends the warm unit of a session that has no run here.
  Task<void> release(SessionId session);
  Task<void> release_all();
  // As of UnitHost.
  Task<Status> serve_model(std::string unit, net::HttpRequest request, net::HttpReply& reply);
  [[nodiscard]] bool works_on(SessionId const& session) const;
  [[nodiscard]] std::set<SessionId> active_sessions() const;
  // Called when one comes or goes.
  void on_sessions_changed(std::function<void()> handler) {
    sessions_changed_ = std::move(handler);
  }

 private:
  struct Held {
    broker::Claim claim;
    BootTime until;  // then it is over, whether or not anybody could be asked
    // Said of it before there was a supervisor to hear it.
    bool cancelled = false;
    bool fenced = false;
  };

  Task<void> claim_loop();
  Task<void> renew_loop();
  // Whether the control store answered.
  Task<bool> renew_all();
  Task<void> supervise(broker::Claim claim);
  Task<void> work_in_process(Assignment assignment);
  void fence(RunId const& run);
  [[nodiscard]] bool leaving() const { return draining_ || stopping_; }

  WorkerParts const parts_;
  WorkerId id_;
  WorkerDuty duty_;
  UnitHost units_;
  std::function<void()> sessions_changed_;
  std::map<RunId, Supervisor*> active_;  // owned by their coroutines
  std::map<RunId, Held> claims_;
  os::TaskGroup tasks_;
  std::size_t working_ = 0;
  os::AsyncEvent changed_;  // working_, claims_over_, draining_, stopping_
  bool claims_over_ = false;
  bool draining_ = false;
  bool stopping_ = false;
};

}  // namespace drover::worker
