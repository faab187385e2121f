#pragma once
// One round of the scheduler, without its shell: what is due is recorded, and what is to be
// started, watched, cancelled and waited for comes out.
#include <cstdint>
#include <optional>
#include <vector>

#include "schedule/ledger.h"

namespace drover::schedule {

struct RoundPlan {
  WallTime now;
  bool put_back = false;  // the clock was, since the last round
  bool sweep = false;     // old history is to go
  std::int64_t starts_max = 0;
  bool busy = false;  // firings are being started
  std::int64_t watched_max = 0;
  Retention retention;
};

struct Round {
  std::optional<WallTime> wake;  // of the next round, where nothing else happens
  std::vector<Start> starts;
  std::vector<FiringRun> to_watch;
  std::vector<FiringRun> to_cancel;
  bool more = false;  // is due than one round takes
};

// What a scheduler remembers of the clock from one round to the next. A clock that time servers
// mend by a little has not been put back.
class RoundClock {
 public:
  [[nodiscard]] RoundPlan plan(WallTime now) const;
  // The round of that plan is on disk. One that failed has to be planned again, for nothing else
  // knows that the clock was put back.
  void note(RoundPlan const& played);

 private:
  std::optional<WallTime> last_round_;
  WallTime last_sweep_;
};

// One step inside a job of the Writer.
[[nodiscard]] Result<Round> play_round(store::Database& database, RoundPlan const& plan);

}  // namespace drover::schedule
