#pragma once
// task.v1: a type of work that can be dispatched. What its payload must look like, where it queues,
// how long it may take, how it is tried again, and what an invocation need not say.
// Plain values; thread-safe as such.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/time.h"
#include "contract/invocation.h"
#include "contract/task_retry.h"

namespace drover::contract {

// Of an invocation that names none.
inline constexpr std::string_view kDefaultTaskType = "background-agent";
// Of a type that names none.
inline constexpr std::string_view kDefaultPool = "default";

enum class TaskPriority : std::uint8_t { critical, high, normal, low };

struct TaskTimeouts {
  std::optional<std::int64_t> queue_s;  // longest wait for a worker
  std::optional<std::int64_t> run_s;    // of a run whose invocation names no limit
  std::optional<std::int64_t> step_s;   // longest time without an event of the unit
};

// For what an invocation leaves out.
struct TaskDefaults {
  std::optional<std::string> agent;
  std::optional<std::string> model;
  std::optional<std::vector<std::string>> tools;
  Limits limits;
  std::optional<WorkspaceMode> mode;  // of workspaces that are named without one
};

struct TaskType {
  std::string name;
  std::string description;
  std::string prompt;  // said before the invocation's own prompt and the payload
  std::optional<json::value> payload;
  std::optional<Schema> payload_schema;  // `payload`, compiled
  bool payload_required = false;
  std::string pool{kDefaultPool};
  std::map<std::string, std::string> labels;  // that its worker must have
  bool interactive = false;
  TaskPriority priority = TaskPriority::normal;
  TaskTimeouts timeouts;
  TaskRetry retry;
  TaskDefaults defaults;
};

// invalid_argument with the JSON pointer of what does not fit, also inside the payload's schema.
[[nodiscard]] Result<TaskType> parse_task_type(json::value const& value);
[[nodiscard]] Result<TaskType> parse_task_type(std::string_view text);
// Members with their default value are left out.
[[nodiscard]] json::value to_json(TaskType const& type);

// invalid_argument, whose message starts with /payload: what does not fit, and what was expected.
[[nodiscard]] Status check_payload(TaskType const& type, json::value const* payload);

// What the agent is told: the type's prompt, the invocation's, the payload as a block of JSON.
[[nodiscard]] std::string task_prompt(TaskType const& type, std::string_view prompt,
                                      json::value const* payload);

[[nodiscard]] std::string_view to_string(TaskPriority priority);

// The types that every server has (contracts/task-types), by name.
[[nodiscard]] std::vector<TaskType> const& built_in_task_types();

}  // namespace drover::contract
