#include "schedule/round.h"

#include <utility>

#include "base/log.h"

namespace drover::schedule {

namespace {

constexpr Millis kSweepEvery{60 * 60'000};
constexpr Millis kSlewMax{1'000};  // what time servers mend is no step

}  // namespace

RoundPlan RoundClock::plan(WallTime now) const {
  RoundPlan plan;
  plan.now = now;
  plan.put_back = last_round_ && now < *last_round_ - kSlewMax;
  plan.sweep = now - last_sweep_ > kSweepEvery || plan.put_back;
  return plan;
}

void RoundClock::note(RoundPlan const& played) {
  last_round_ = played.now;
  if (played.sweep) last_sweep_ = played.now;
}

Result<Round> play_round(store::Database& database, RoundPlan const& plan) {
  if (plan.put_back) {
    auto const armed = arm_anew(database, plan.now);
    if (!armed) return std::unexpected(armed.error());
    log::warn("clock-put-back", {{"armed_anew", *armed}});
  }
  if (plan.sweep) DROVER_TRY(sweep(database, plan.now, plan.retention));
  auto const due = record_due(database, plan.now);
  if (!due) return std::unexpected(due.error());
  Round round;
  round.more = due->more;
  if (plan.starts_max > 0) {
    auto starts = start_ready(database, plan.now, plan.starts_max, plan.busy);
    if (!starts) return std::unexpected(starts.error());
    round.starts = *std::move(starts);
  }
  auto to_watch = runs_of_firings(database, plan.watched_max);
  if (!to_watch) return std::unexpected(to_watch.error());
  round.to_watch = *std::move(to_watch);
  auto to_cancel = runs_to_cancel(database, plan.watched_max);
  if (!to_cancel) return std::unexpected(to_cancel.error());
  round.to_cancel = *std::move(to_cancel);
  auto const wake = next_wake(database, plan.now);
  if (!wake) return std::unexpected(wake.error());
  round.wake = *wake;
  return round;
}

}  // namespace drover::schedule
