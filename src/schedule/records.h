#pragma once
// What is stored of schedules, their firings, events and hooks, as values.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/id.h"
#include "base/json.h"
#include "base/time.h"
#include "contract/schedule.h"

namespace drover::schedule {

enum class ScheduleStatus : std::uint8_t { pending, executing, completed, failed, cancelled };

struct ScheduleRecord {
  std::int64_t number = 0;  // in the order of creation
  ScheduleId id;
  contract::ScheduleJob job;  // its id and `paused` are the members below
  std::string digest;         // of the request that made it
  std::int64_t version = 0;   // counts its jobs: a new one may fire at a time that the old one had
  bool paused = false;
  bool cancelled = false;
  std::optional<WallTime> next;  // nominal
  std::optional<WallTime> due;   // `next` with its jitter; nullopt while nothing is armed
  std::optional<WallTime> last;  // the newest nominal time that was fired or skipped
  std::int64_t fired = 0;
  std::int64_t poisoned = 0;  // firings in a row that ended the server
  std::string detail;         // why it is not armed, where that says more
  WallTime created_at;
  WallTime updated_at;
};

//   waiting → pending → running → succeeded | failed | cancelled;  skipped at once
// waiting: for an earlier firing to end. pending: to be started, not before a time. running:
// without a run it is being started, with one it is that run.
enum class FiringState : std::uint8_t {
  waiting,
  pending,
  running,
  succeeded,
  failed,
  skipped,
  cancelled,
};
enum class FiringCause : std::uint8_t { time, manual, event };

struct FiringRecord {
  std::int64_t id = 0;
  std::int64_t schedule = 0;  // its number
  std::string key;  // within the schedule: "t<version>.<nominal ms>", "m<key>", "e<event>"
  WallTime nominal;
  FiringCause cause = FiringCause::time;
  std::optional<std::int64_t> event;
  FiringState state = FiringState::pending;
  std::int64_t attempts = 0;  // starts
  std::int64_t crashes = 0;   // starts without an answer since the last answer
  std::int64_t missed = 0;    // firings that this one stands for
  bool cancel_requested = false;
  WallTime not_before;
  std::string run;
  int http_status = 0;  // 0: none
  std::string reason;
  WallTime created_at;
  std::optional<WallTime> started_at;
  std::optional<WallTime> finished_at;
};

struct HookRecord {
  contract::Hook hook;
  Secret secret;
  WallTime created_at;
  WallTime updated_at;
};

[[nodiscard]] std::string_view to_string(ScheduleStatus status);
[[nodiscard]] std::string_view to_string(FiringState state);
[[nodiscard]] std::string_view to_string(FiringCause cause);
[[nodiscard]] Result<FiringState> parse_firing_state(std::string_view text);
[[nodiscard]] Result<FiringCause> parse_firing_cause(std::string_view text);
[[nodiscard]] bool is_over(FiringState state);

// The public shapes of docs/http-api.md.
[[nodiscard]] json::object to_json(ScheduleRecord const& schedule, ScheduleStatus status);
[[nodiscard]] json::object to_json(FiringRecord const& firing, ScheduleId const& schedule);
[[nodiscard]] json::object to_json(HookRecord const& hook);

}  // namespace drover::schedule
