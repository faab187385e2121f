#pragma once
// The rows of schedules, firings, events and hooks. Plain functions on a connection: inside a job
// of the Writer, or on a Readers connection. Look-ups by id, key or due time use an index.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schedule/records.h"
#include "store/database.h"

namespace drover::schedule {

// ---- schedules

// Sets `number`. conflict when the id or the key is taken.
[[nodiscard]] Status insert_schedule(store::Database& database, ScheduleRecord& schedule);
// All but number and id.
[[nodiscard]] Status update_schedule(store::Database& database, ScheduleRecord const& schedule);
// Only what a firing changes: times, counts and detail, not the job.
[[nodiscard]] Status update_schedule_times(store::Database& database,
                                           ScheduleRecord const& schedule);
[[nodiscard]] Result<std::optional<ScheduleRecord>> find_schedule(store::Database& database,
                                                                  ScheduleId const& id);
[[nodiscard]] Result<std::optional<ScheduleRecord>> find_schedule(store::Database& database,
                                                                  std::int64_t number);
[[nodiscard]] Result<std::optional<ScheduleRecord>> find_schedule_by_key(store::Database& database,
                                                                         std::string const& key);
// Newest first, from behind `before`.
[[nodiscard]] Result<std::vector<ScheduleRecord>> list_schedules(store::Database& database,
                                                                 std::string const& before,
                                                                 std::int64_t limit);
// Those that are due at `now`, the longest due first.
[[nodiscard]] Result<std::vector<ScheduleRecord>> due_schedules(store::Database& database,
                                                                WallTime now, std::int64_t limit);
// That wait for events of the type.
[[nodiscard]] Result<std::vector<ScheduleRecord>> schedules_of_event(store::Database& database,
                                                                     std::string_view type,
                                                                     std::int64_t limit);
// Schedules that were armed at a time that is yet to come: the clock was put back.
[[nodiscard]] Result<std::vector<ScheduleRecord>> schedules_ahead_of(store::Database& database,
                                                                     WallTime now);
[[nodiscard]] Result<ScheduleStatus> status_of(store::Database& database,
                                               ScheduleRecord const& schedule);

// ---- firings

// Sets `id`. False, and nothing is written, when the schedule has one of that key.
[[nodiscard]] Result<bool> insert_firing(store::Database& database, FiringRecord& firing);
[[nodiscard]] Status update_firing(store::Database& database, FiringRecord const& firing);
[[nodiscard]] Result<std::optional<FiringRecord>> find_firing(store::Database& database,
                                                              std::int64_t id);
[[nodiscard]] Result<std::optional<FiringRecord>> find_firing_by_key(store::Database& database,
                                                                     std::int64_t schedule,
                                                                     std::string const& key);
// Newest first; `before` 0: from the newest.
[[nodiscard]] Result<std::vector<FiringRecord>> list_firings(store::Database& database,
                                                             std::int64_t schedule,
                                                             std::int64_t before,
                                                             std::int64_t limit);
// That have not ended, oldest first.
[[nodiscard]] Result<std::vector<FiringRecord>> open_firings(store::Database& database,
                                                             std::int64_t schedule);
[[nodiscard]] Result<std::int64_t> count_open_firings(store::Database& database,
                                                      std::int64_t schedule);
enum class Health : std::uint8_t { clean, suspicious };  // suspicious: a start had no answer
[[nodiscard]] Result<std::vector<FiringRecord>> ready_firings(store::Database& database,
                                                              WallTime now, Health health,
                                                              std::int64_t limit);
[[nodiscard]] Result<std::vector<FiringRecord>> running_firings(store::Database& database);
struct FiringRun {
  std::int64_t firing = 0;
  RunId run;
};
// Of running firings, the oldest first.
[[nodiscard]] Result<std::vector<FiringRun>> runs_of_firings(store::Database& database,
                                                             std::int64_t limit);
[[nodiscard]] Result<std::vector<FiringRun>> runs_to_cancel(store::Database& database,
                                                            std::int64_t limit);

// ---- events, hooks

struct StoredEvent {
  std::int64_t id = 0;
  bool is_new = false;  // false: the source has had an event of that id
};
[[nodiscard]] Result<StoredEvent> insert_event(store::Database& database, std::string_view source,
                                               std::optional<std::string> const& event_id,
                                               std::string_view body, WallTime at);
[[nodiscard]] Status drop_event_body(store::Database& database, std::int64_t id);
[[nodiscard]] Result<std::string> event_body(store::Database& database, std::int64_t id);
// False when the hook has had a delivery with one of the marks.
[[nodiscard]] Result<bool> insert_delivery(store::Database& database, std::string const& hook,
                                           std::vector<std::string> const& marks, WallTime at);
// True when it was new.
[[nodiscard]] Result<bool> put_hook(store::Database& database, HookRecord const& hook);
[[nodiscard]] Result<std::optional<HookRecord>> find_hook(store::Database& database,
                                                          std::string const& name);
[[nodiscard]] Result<std::vector<HookRecord>> list_hooks(store::Database& database);
// False when there was none.
[[nodiscard]] Result<bool> delete_hook(store::Database& database, std::string const& name);

}  // namespace drover::schedule
