#pragma once
// The units of this worker, at most one a session: started when a turn needs one, kept warm and
// frozen between turns, ended when idle. A frozen unit runs nothing: what an agent left in the
// background can neither change the workspace nor spend time until the session's next turn.
//
// A unit that a third-party worker serves has no sandbox here: it is let in and shut out.
//
// On the event loop. Life: start, any number of acquire/rest/drop, stop.
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/http_server.h"
#include "os/async_event.h"
#include "worker/turn.h"
#include "worker/unit_line.h"
#include "worker/worker_parts.h"
#include "workspace/checkout.h"

namespace drover::worker {

class UnitHost {
 public:
  explicit UnitHost(WorkerParts const& parts);
  ~UnitHost();
  UnitHost(UnitHost const&) = delete;
  UnitHost& operator=(UnitHost const&) = delete;

  // The folders for sockets and session files. Listens to the runtime's events.
  [[nodiscard]] Status start();
  // The unit that serves this session; its id is the same each time.
  [[nodiscard]] static std::string unit_name(SessionRecord const& session);
  // Ends idle units when their time has come; runs until stop().
  Task<void> watch_idle();
  // Ends every unit.
  Task<void> stop();

  // A unit for the session, thawed or started, with `turn` as its next message. The turn is told
  // when the unit is lost.
  Task<Status> acquire(SessionRecord session, std::vector<workspace::CheckedOut> checkouts,
                       TurnPtr turn);
  void interrupt(SessionId const& session);
  // Nothing of the unit runs from here on; its tree can be read. No error when there is none.
  Task<Status> freeze(SessionId session);
  // The turn is over and the unit stays, frozen, for `idle`.
  void rest(SessionId const& session, Millis idle);
  // Sessions whose unit rests.
  [[nodiscard]] std::vector<SessionId> resting() const;
  // The unit goes, with every process of it.
  Task<void> drop(SessionId session);
  // A model call of the third-party worker that serves `unit`. conflict where it has no turn.
  Task<Status> serve_model(std::string unit, net::HttpRequest request, net::HttpReply& reply);

 private:
  struct Unit;

  Task<Status> launch(SessionRecord session, std::vector<workspace::CheckedOut> checkouts,
                      std::unique_ptr<Unit>& made);
  Result<std::unique_ptr<Unit>> make_unit(SessionRecord const& session,
                                          std::vector<workspace::CheckedOut> const& checkouts,
                                          TurnPtr const& turn);
  void on_runtime_event(runtime::RuntimeEvent const& event);
  // Until no unit of the session is on its way out.
  Task<void> await_end(SessionId session);

  WorkerParts const& parts_;
  std::map<SessionId, std::unique_ptr<Unit>> units_;
  // Sessions whose unit is on its way out: its name, socket and cgroup are not free yet.
  std::set<SessionId> ending_;
  os::AsyncEvent idle_changed_;
  bool stopping_ = false;
};

}  // namespace drover::worker
