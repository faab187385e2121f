#pragma once
// How a run's failed attempts are followed by others: of a task type, or of one invocation.
// Plain values; thread-safe as such.
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace drover::contract {

enum class TaskBackoff : std::uint8_t { fixed, exponential, list };

struct TaskRetry {
  std::int64_t attempts_max = 3;  // the first one counts
  TaskBackoff backoff = TaskBackoff::exponential;
  Millis delay{1'000};
  Millis delay_max{15 * 60'000};
  std::vector<Millis> delays;  // of TaskBackoff::list
  bool full_jitter = true;
};

// `object` fits its schema.
[[nodiscard]] TaskRetry task_retry_of(json::object const& object);
// Members with their default value are left out.
[[nodiscard]] json::object to_json(TaskRetry const& retry);
[[nodiscard]] std::string_view to_string(TaskBackoff backoff);

}  // namespace drover::contract
