#include "sim/schedule_audit.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "schedule/plan.h"
#include "sim/rows.h"

namespace drover::sim {

namespace {

constexpr std::int64_t kMinuteMs = 60'000;

// As Server::first_image() makes them.
struct Kind {
  std::string_view id;
  std::int64_t period_ms;
  std::int64_t at_once_max;  // firings and skips that one round records
};
constexpr std::array<Kind, 3> kKinds{
    Kind{"once", kMinuteMs, 1},
    Kind{"all", 2 * kMinuteMs, static_cast<std::int64_t>(schedule::kMisfireFiringsMax) + 1},
    Kind{"skip", 3 * kMinuteMs, 2},
};

// What one record stands for, both ends included.
struct Span {
  std::int64_t from;
  std::int64_t to;
};

// Nothing from before the schedule was made is owed. A clock that was put back makes records of
// times that an earlier one covers.
void check_gaps(Trace& trace, Kind const& kind, std::vector<Span> spans, std::int64_t made_at) {
  std::ranges::sort(spans, {}, &Span::from);
  std::int64_t covered_to = made_at / kind.period_ms * kind.period_ms;
  for (Span const& span : spans) {
    if (span.from > covered_to + kind.period_ms)
      trace.violated("skip", "{} has nothing between {} and {}", kind.id, covered_to, span.from);
    covered_to = std::max(covered_to, span.to);
  }
}

void inspect_kind(store::Database& database, Trace& trace, Kind const& kind) {
  auto rows = query(database,
                    "SELECT f.nominal_ms, f.missed, f.created_ms, f.state, f.run, s.created_ms"
                    " FROM firings f"
                    " JOIN schedules s ON s.number=f.schedule WHERE s.id=? AND f.cause='time'"
                    " ORDER BY f.nominal_ms",
                    kind.id);
  std::map<std::int64_t, std::int64_t> recorded_at;
  std::vector<Span> spans;
  std::int64_t made_at = 0;
  while (step(rows)) {
    std::int64_t const nominal = rows.integer(0);
    if (nominal % kind.period_ms != 0 || (!spans.empty() && nominal == spans.back().to))
      trace.violated("storm", "{} has a firing at {} too much", kind.id, nominal);
    if (++recorded_at[rows.integer(2)] > kind.at_once_max)
      trace.violated("storm", "{} has {} firings in one round", kind.id,
                     recorded_at[rows.integer(2)]);
    if (rows.text(3) == "succeeded" && rows.text(4).empty())
      trace.violated("run", "the firing of {} at {} succeeded without a run", kind.id, nominal);
    spans.push_back({nominal - rows.integer(1) * kind.period_ms, nominal});
    made_at = rows.integer(5);
  }
  check_gaps(trace, kind, std::move(spans), made_at);
}

}  // namespace

void inspect_schedules(store::Database& database, Trace& trace) {
  for (Kind const& kind : kKinds)
    inspect_kind(database, trace, kind);
}

}  // namespace drover::sim
