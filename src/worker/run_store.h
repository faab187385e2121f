#pragma once
// The tables of sessions and runs. Plain functions on a connection: inside a job of the Writer, or
// on a Readers connection. A run is written under its epoch: a write of an older attempt changes
// nothing and is a conflict.
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "store/database.h"
#include "store/migrations.h"
#include "worker/reconcile.h"
#include "worker/records.h"

namespace drover::worker {

[[nodiscard]] std::vector<store::Migration> run_migrations();

// Sets `session.number`.
[[nodiscard]] Status insert_session(store::Database& database, SessionRecord& session);
[[nodiscard]] Status update_session(store::Database& database, SessionRecord const& session);
// Idempotent.
[[nodiscard]] Status set_removed(store::Database& database, SessionId const& id, WallTime now);
// conflict when it was removed, not_found when it never was.
[[nodiscard]] Status require_session(store::Database& database, SessionId const& id);
[[nodiscard]] Result<SessionRecord> find_session(store::Database& database, SessionId const& id);
struct SessionSummary {
  SessionRecord session;
  std::int64_t runs = 0;
  std::string last_run;
};
// Without those that were removed. Newest activity first; from behind the session `before`.
[[nodiscard]] Result<std::vector<SessionSummary>> list_sessions(store::Database& database,
                                                                std::string const& before,
                                                                std::int64_t limit);
[[nodiscard]] Result<SessionSummary> summarize_session(store::Database& database,
                                                       SessionId const& id);

[[nodiscard]] Status insert_run(store::Database& database, RunRecord const& run);
// Everything that changes in the life of a run. conflict ("fenced") when the stored epoch is higher
// or the stored state is not `from`: a step that comes late, or again, is of a life that is over.
[[nodiscard]] Status update_run(store::Database& database, RunRecord const& run,
                                contract::RunState from);
// What its model calls used, cost and may yet cost, and nothing else of the run. conflict
// ("fenced") when it has ended or another attempt has begun.
[[nodiscard]] Status update_spend(store::Database& database, RunRecord const& run);
// conflict ("fenced") when the run has ended or its stored epoch is higher.
[[nodiscard]] Status require_attempt(store::Database& database, RunRecord const& run);
[[nodiscard]] Status request_cancel(store::Database& database, RunId const& id);
[[nodiscard]] Result<RunRecord> find_run(store::Database& database, RunId const& id);
struct RunInSession {
  RunRecord run;
  SessionRecord session;
};
[[nodiscard]] Result<RunInSession> find_run_in_session(store::Database& database, RunId const& id);
[[nodiscard]] Result<std::optional<RunRecord>> find_run_by_key(store::Database& database,
                                                               std::string const& key);
struct RunFilter {
  std::string session;  // empty: any
  std::string state;    // empty: any
  std::string before;   // runs older than this one
  std::int64_t limit = 50;
};
// Newest first.
[[nodiscard]] Result<std::vector<RunRecord>> list_runs(store::Database& database,
                                                       RunFilter const& filter);
// The same runs as unfinished_runs(), and nothing but their state.
[[nodiscard]] Result<std::vector<UnfinishedRun>> unfinished_states(store::Database& database);
// Runs that are not in a terminal state, oldest first: what a new server has to take up.
[[nodiscard]] Result<std::vector<RunRecord>> unfinished_runs(store::Database& database);
// The oldest run of the session that nobody has claimed yet.
[[nodiscard]] Result<std::optional<RunId>> find_queued_run(store::Database& database,
                                                           SessionId const& session);
// Those whose answer_by is over.
[[nodiscard]] Result<std::vector<RunRecord>> runs_to_answer_by(store::Database& database,
                                                               WallTime now);

// The public shapes of docs/http-api.md.
[[nodiscard]] json::object to_json(RunRecord const& run);
[[nodiscard]] json::object to_json(SessionSummary const& summary);

}  // namespace drover::worker
