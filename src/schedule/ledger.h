#pragma once
// The durable steps of a firing's life. Each function is one step inside a job of the Writer: what
// it changes is on disk together or not at all, and a crash between any two steps is taken up by
// recover().
//
//   record_due: a firing is recorded in the same transaction that arms the next one.
//   start_ready: counts the start before anything is started.
//   note_run / finish / try_again: what came of it.
// The firing's key goes with its dispatch as idempotency key, so that a start that is repeated
// after a crash finds the run of the first one.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "schedule/plan.h"
#include "schedule/tables.h"

namespace drover::schedule {

// Starts without an answer after which a firing is given up, because it may be what ends the
// server.
inline constexpr std::int64_t kCrashesMax = 3;
// Firings in a row that were given up so, after which the schedule is paused.
inline constexpr std::int64_t kPoisonedMax = 3;
// Schedules that one event may start; more is refused.
inline constexpr std::int64_t kEventSchedulesMax = 1000;
// Schedules handled in one transaction.
inline constexpr std::int64_t kDueBatch = 200;

struct Retention {
  std::int64_t firings_max = 200;  // of each schedule that have ended
  Millis age_max = std::chrono::hours{24 * 30};
};

struct RecordedDue {
  std::int64_t schedules = 0;  // handled
  bool more = false;           // there are more that are due
};
[[nodiscard]] Result<RecordedDue> record_due(store::Database& database, WallTime now);

// A firing that nobody's clock asked for. conflict for a cancelled schedule. The same key gives the
// same firing.
[[nodiscard]] Result<FiringRecord> record_manual(store::Database& database,
                                                 ScheduleRecord const& schedule,
                                                 std::string const& key, WallTime now);

struct RecordedEvent {
  std::int64_t id = 0;
  bool duplicate = false;
  struct Started {
    ScheduleId schedule;
    std::int64_t firing = 0;
    FiringState state = FiringState::pending;
  };
  std::vector<Started> firings;
};
// `marks`: of a delivery to the hook `hook`; empty where the event came by the API.
[[nodiscard]] Result<RecordedEvent> record_event(store::Database& database,
                                                 contract::IncomingEvent const& event,
                                                 std::string const& hook,
                                                 std::vector<std::string> const& marks,
                                                 WallTime now);

// A firing to be carried out now.
struct Start {
  FiringRecord firing;
  ScheduleRecord schedule;
  std::string event;  // its JSON; empty: none
};
// At most `limit` firings. One whose last start had no answer is started alone, so that a crash is
// blamed on the right one: `busy` says that others are being started.
[[nodiscard]] Result<std::vector<Start>> start_ready(store::Database& database, WallTime now,
                                                     std::int64_t limit, bool busy);

[[nodiscard]] Status note_run(store::Database& database, std::int64_t firing, RunId const& run);

struct Outcome {
  FiringState state = FiringState::succeeded;
  int http_status = 0;
  std::string reason;
};
// Ends the firing, lets the next one of its schedule go, and drops history that is over its bound.
// A firing that has ended already stays as it is.
[[nodiscard]] Status finish(store::Database& database, std::int64_t firing, Outcome const& outcome,
                            WallTime now, Retention const& retention);
// Ends it as `failed` when it has had all its attempts, or was asked to be cancelled.
[[nodiscard]] Status try_again(store::Database& database, std::int64_t firing,
                               contract::RetryPolicy const& retry, Outcome const& outcome,
                               WallTime now, Retention const& retention);
// Starts that this server leaves without an answer because it stops in order: no crash.
[[nodiscard]] Status give_back(store::Database& database, std::vector<std::int64_t> const& firings,
                               WallTime now);

struct Recovered {
  std::int64_t again = 0;     // to be started once more
  std::int64_t given_up = 0;  // poisoned
};
// What a server that died left. Before anything is started.
[[nodiscard]] Result<Recovered> recover(store::Database& database, WallTime now,
                                        Retention const& retention);
// After the clock was put back: what was armed by the wrong time is armed anew. What has fired
// already is known by its key and does not fire again. Returns how many were.
[[nodiscard]] Result<std::int64_t> arm_anew(store::Database& database, WallTime now);
// Drops history, events and delivery marks that are over their age.
[[nodiscard]] Status sweep(store::Database& database, WallTime now, Retention const& retention);

// When something will be due, or may be tried again; nullopt when nothing will.
[[nodiscard]] Result<std::optional<WallTime>> next_wake(store::Database& database, WallTime now);

// Ends what waits of a schedule. What is being started, or runs, goes on.
[[nodiscard]] Status cancel_waiting(store::Database& database, std::int64_t schedule,
                                    std::string_view reason, WallTime now);

}  // namespace drover::schedule
