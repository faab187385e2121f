#pragma once
// Takes work in: checks an invocation against what exists, and makes it a queued run. What it
// returns is on disk.
//
// On the event loop.
#include <cstddef>
#include <string>
#include <vector>

#include "base/error.h"
#include "contract/invocation.h"
#include "contract/turn.h"
#include "worker/records.h"
#include "worker/run_journal.h"
#include "worker/run_terms.h"
#include "worker/services.h"

namespace drover::worker {

struct Dispatched {
  enum class Kind : std::uint8_t {
    created,
    repeated,   // the idempotency key had this very request before
    duplicate,  // the deduplication key lives, and has this run
  };
  RunRecord run;
  Kind kind = Kind::created;
};

inline constexpr std::size_t kBulkMax = 1000;

class Dispatcher {
 public:
  explicit Dispatcher(Services const& services);

  // invalid_argument, not_found (workspace, session), conflict (the key with another request; a
  // tree with uncommitted changes), unsupported (a runner or trigger that is not there yet).
  Task<Result<Dispatched>> dispatch(contract::Invocation invocation);
  // A further message to a session, under the session's own grants.
  Task<Result<Dispatched>> message(SessionId session, contract::Message message);
  // All of them or none: what cannot be dispatched is named in the error by its place, "/runs/3".
  // Those whose idempotency or deduplication key is known already count as dispatched. 1 to
  // kBulkMax.
  Task<Result<std::vector<Dispatched>>> dispatch_many(std::vector<contract::Invocation> all);
  // The dead letter of `run` as a new run of the same session, with a link to the old one, whose
  // one terminal event stands. not_found when it has no dead letter.
  Task<Result<Dispatched>> replay(RunId run);

 private:
  struct Plan;
  [[nodiscard]] Result<contract::TaskType> task_type(std::string_view name) const;
  // One that takes new work.
  [[nodiscard]] Result<contract::AgentSpec> find_agent(std::string_view name) const;
  Task<Result<SessionRecord>> find(SessionId session);
  Task<Result<Plan>> plan_of(contract::Invocation invocation);
  Task<Result<NewRun>> prepare(Plan plan);
  Result<Dispatched> record(store::Transaction& transaction, NewRun& fresh);
  Task<Result<Dispatched>> accept(Plan plan);
  Task<Result<std::optional<Dispatched>>> replay_of(std::string key, std::string digest);
  Task<Status> check_workspaces(std::vector<contract::WorkspaceGrant> grants);

  Services const& services_;
};

}  // namespace drover::worker
