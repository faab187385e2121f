#pragma once
// Decisions of the scheduler: when a job fires, what becomes of firings that are late, and of one
// that meets an earlier one. Pure: time comes in, nothing is remembered.
//
// A firing has a nominal time, which is its identity, and is due `jitter` later: the same for the
// same job and nominal time wherever it is computed.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "contract/schedule.h"
#include "schedule/cron.h"

namespace drover::schedule {

// Later than this is a misfire; up to it, a firing is merely slow.
inline constexpr Millis kLateMax{60'000};
// Under `all`, of what was missed the newest so many are fired.
inline constexpr std::size_t kMisfireFiringsMax = 100;
// Missed firings are counted up to here; beyond it is "at least".
inline constexpr std::int64_t kMissedCountMax = 10'000;
// Of one schedule, firings that have not ended.
inline constexpr std::int64_t kQueuedFiringsMax = 100;

// What of a job decides about time. Millisecond precision.
struct Timing {
  struct Once {
    WallTime at;
  };
  struct Repeated {
    Cron cron;
    TimeZone zone;
  };
  struct UponEvent {};

  std::string id;  // of the schedule; seeds the jitter
  std::variant<Once, Repeated, UponEvent> when;
  std::optional<WallTime> start;
  std::optional<WallTime> end;
  contract::Misfire misfire = contract::Misfire::once;
  Millis jitter{0};
};

// invalid_argument with the pointer /cron or /timezone.
[[nodiscard]] Result<Timing> timing_of(contract::ScheduleJob const& job, std::string_view id);

// The first nominal time behind `now` (of a one-shot: its time, also when that has passed); nullopt
// when there is none, as for events and behind the end.
[[nodiscard]] std::optional<WallTime> first_time(Timing const& timing, WallTime now);
[[nodiscard]] WallTime due_time(Timing const& timing, WallTime nominal);
// Whether `now` is within start and end.
[[nodiscard]] bool is_within(Timing const& timing, WallTime now);

struct DuePlan {
  struct Fire {
    WallTime nominal;
    std::int64_t missed = 0;  // firings that this one stands for beside its own
  };
  struct Skip {
    WallTime first;
    WallTime last;
    std::int64_t count = 0;
    bool at_least = false;  // there were more than were counted
  };
  std::vector<Fire> fire;
  std::optional<Skip> skip;
  std::optional<WallTime> next;  // nominal
};

// `nominal` is the next nominal time as it was armed; its due time has come.
[[nodiscard]] DuePlan plan_due(Timing const& timing, WallTime nominal, WallTime now);

struct OverlapDecision {
  enum class Start : std::uint8_t { now, wait, never };
  Start start = Start::now;
  bool cancel_earlier = false;
  std::string reason;  // why never
};

// `open`: firings of the schedule that have not ended.
[[nodiscard]] OverlapDecision decide_overlap(contract::Overlap overlap, std::int64_t open);

}  // namespace drover::schedule
