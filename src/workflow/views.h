#pragma once
// What the commands print about a run as JSON, in the shapes of the SDK's command line. Pure.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "workflow/open_run.h"
#include "workflow/state_cache.h"

namespace drover::workflow {

enum class StatusState : std::uint8_t { created, waiting, completed, halted, failed };
[[nodiscard]] std::string_view to_string(StatusState state);
[[nodiscard]] StatusState status_state(History const& history);

[[nodiscard]] json::object event_view(Event const& event);
// run:status
[[nodiscard]] json::object status_view(RunView const& run, std::optional<StoredState> const& state);

struct EventsQuery {
  std::optional<std::size_t> limit;
  bool reverse = false;
  std::string type;  // empty: all
};
// run:events
[[nodiscard]] json::object events_view(RunView const& run, std::optional<StoredState> const& state,
                                       EventsQuery const& query);

// One entry of a list of runs. One that cannot be read is `damaged`, and says why.
[[nodiscard]] json::object run_view(RunFolder const& folder, Result<RunView> const& run);

// One entry of task:list, and the `effect` of task:show.
[[nodiscard]] json::object task_view(Effect const& effect);
struct TasksQuery {
  bool pending = false;
  std::string kind;  // empty: all
};
// task:list
[[nodiscard]] json::object tasks_view(History const& history, TasksQuery const& query);
// run:rebuild-state
[[nodiscard]] json::object rebuilt_view(std::string_view run_folder, History const& history,
                                        std::string_view reason);
// What status and events tell of the state's cache; null: there is none.
[[nodiscard]] json::value metadata_view(std::optional<StoredState> const& state);

}  // namespace drover::workflow
