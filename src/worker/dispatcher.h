#pragma once
// Takes work in: checks an invocation against what exists, and makes it a queued run. What it
// returns is on disk.
//
// On the event loop.
#include <string>

#include "base/error.h"
#include "contract/invocation.h"
#include "contract/turn.h"
#include "worker/records.h"
#include "worker/services.h"

namespace drover::worker {

struct Dispatched {
  RunRecord run;
  bool created = false;  // false: the idempotency key had this very request before
};

class Dispatcher {
 public:
  explicit Dispatcher(Services const& services);

  // invalid_argument, not_found (workspace, session), conflict (the key with another request; a
  // tree with uncommitted changes), unsupported (a runner or trigger that is not there yet).
  Task<Result<Dispatched>> dispatch(contract::Invocation invocation);
  // A further message to a session, under the session's own grants.
  Task<Result<Dispatched>> message(SessionId session, contract::Message message);

 private:
  struct Plan;
  Task<Result<Dispatched>> accept(Plan plan);
  Task<Result<std::optional<Dispatched>>> replay_of(std::string key, std::string digest);
  Task<Status> check_workspaces(std::vector<contract::WorkspaceGrant> grants, SessionId session);

  Services const& services_;
};

}  // namespace drover::worker
