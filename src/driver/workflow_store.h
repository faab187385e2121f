#pragma once
// The table of workflow runs that a server drives. A row points to a run directory, which has all
// that the run is; it says that the run is driven, and how it ended. Plain functions on a
// connection, inside a job of the Writer or of a Reader.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "store/database.h"
#include "store/migrations.h"

namespace drover::driver {

enum class WorkflowState : std::uint8_t {
  running,
  blocked,  // it cannot be brought on, `reason` says why; it is tried again
  completed,
  failed,
  halted,
  cancelled,
};
[[nodiscard]] std::string_view to_string(WorkflowState state);
[[nodiscard]] Result<WorkflowState> parse_workflow_state(std::string_view text);
[[nodiscard]] bool is_over(WorkflowState state);

struct WorkflowRecord {
  std::string id;      // the run's, and its directory's name
  std::string folder;  // of the run; of a stored one, in the runs' root where that has it
  std::string process_id;
  WorkflowState state = WorkflowState::running;
  std::string reason;
  json::object agent;  // what its agent effects are where they do not say: members of unit.v1
  std::string parent;  // the workflow whose child it is; empty: nobody's
  std::string parent_effect;
  WallTime created_at;
  WallTime updated_at;
  std::string rests_at;  // the journal's entry where it was last known to rest; empty: not known
};

[[nodiscard]] std::vector<store::Migration> workflow_migrations();

// conflict: there is one of this id.
[[nodiscard]] Status insert_workflow(store::Database& database, WorkflowRecord const& record);
[[nodiscard]] Status update_workflow(store::Database& database, WorkflowRecord const& record);
// Where it rests; what it waits for stands in its directory.
[[nodiscard]] Status note_rest(store::Database& database, std::string const& id,
                               std::string const& rests_at);
[[nodiscard]] Result<WorkflowRecord> find_workflow(store::Database& database,
                                                   std::string const& id);
struct WorkflowFilter {
  std::optional<WorkflowState> state;
  std::string before;  // older than this one; empty: from the newest on
  std::size_t most = 100;
};
// The newest first.
[[nodiscard]] Result<std::vector<WorkflowRecord>> list_workflows(store::Database& database,
                                                                 WorkflowFilter const& filter);
// The oldest first.
[[nodiscard]] Result<std::vector<WorkflowRecord>> unfinished_workflows(store::Database& database);

[[nodiscard]] json::object to_json(WorkflowRecord const& record);

}  // namespace drover::driver
