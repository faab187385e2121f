#include "schedule/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/digest.h"

namespace drover::schedule {

using contract::Misfire;
using contract::Overlap;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

std::unexpected<Error> under(std::string_view pointer, Error error) {
  error.message = fmt::format("{}: {}", pointer, error.message);
  return std::unexpected(std::move(error));
}

// The first nominal time behind `after`, within start and end.
std::optional<WallTime> next_time(Timing const& timing, Timing::Repeated const& repeated,
                                  WallTime after) {
  if (timing.start && after < *timing.start) after = *timing.start - Micros{1};
  // A time of whole seconds is behind `after` exactly when it is behind its floor.
  auto const next = repeated.cron.next(floor<seconds>(after), repeated.zone);
  if (!next || (timing.end && WallTime{*next} > *timing.end)) return std::nullopt;
  return WallTime{*next};
}

struct Due {
  std::vector<WallTime> times;  // the newest that are due, oldest first
  std::int64_t count = 0;       // of all that are due
  bool at_least = false;
  std::optional<WallTime> next;
};

// Walks from `from` (which is one of them) as long as they are due.
Due walk(Timing const& timing, Timing::Repeated const& repeated, WallTime from, WallTime now,
         std::int64_t count_max) {
  Due due;
  for (std::optional time{from}; time; time = next_time(timing, repeated, *time)) {
    if (due_time(timing, *time) > now || due.count == count_max) {
      due.next = time;
      break;
    }
    due.times.push_back(*time);
    ++due.count;
  }
  return due;
}

// After a long silence walking them all would take as long as there are many; only the newest are
// fired, so it is enough to start shortly before now, ever earlier until there are enough.
Due newest(Timing const& timing, Timing::Repeated const& repeated, WallTime nominal, WallTime now) {
  Due due = walk(timing, repeated, nominal, now, kMissedCountMax);
  if (!due.next || due_time(timing, *due.next) > now) return due;
  auto const counted = due.count;
  for (auto window = hours{1};; window *= 2) {
    auto const start = next_time(timing, repeated, std::max(now - window - timing.jitter, nominal));
    DROVER_CHECK(start.has_value());
    due = walk(timing, repeated, *start, now, INT64_MAX);
    if (due.times.size() >= kMisfireFiringsMax || now - window <= nominal) break;
  }
  due.count = std::max(due.count, counted);
  due.at_least = true;
  return due;
}

void skip_first(DuePlan& plan, WallTime first, Due const& due, std::size_t kept) {
  auto const left_out = due.count - static_cast<std::int64_t>(kept);
  if (left_out <= 0) return;
  DuePlan::Skip skip{.first = first, .last = first, .count = left_out, .at_least = due.at_least};
  auto const here = due.times.size() - kept;
  if (here > 0) skip.last = due.times[here - 1];
  plan.skip = skip;
}

void keep_newest(DuePlan& plan, WallTime first, Due const& due, std::size_t kept) {
  skip_first(plan, first, due, kept);
  for (std::size_t i = due.times.size() - kept; i < due.times.size(); ++i)
    plan.fire.push_back({.nominal = due.times[i], .missed = 0});
}

DuePlan plan_repeated(Timing const& timing, Timing::Repeated const& repeated, WallTime nominal,
                      WallTime now) {
  Due const due = newest(timing, repeated, nominal, now);
  DuePlan plan;
  plan.next = due.next;
  auto const in_time = static_cast<std::size_t>(std::ranges::count_if(
      due.times, [&](WallTime time) { return now - due_time(timing, time) <= kLateMax; }));
  bool const missed = in_time < due.times.size() || due.at_least;
  if (!missed || timing.misfire == Misfire::skip) {
    keep_newest(plan, nominal, due, in_time);
  } else if (timing.misfire == Misfire::once) {
    plan.fire.push_back({.nominal = due.times.back(), .missed = due.count - 1});
  } else {
    keep_newest(plan, nominal, due, std::min(due.times.size(), kMisfireFiringsMax));
  }
  return plan;
}

}  // namespace

Result<Timing> timing_of(contract::ScheduleJob const& job, std::string_view id) {
  Timing timing{.id = std::string{id},
                .when = Timing::UponEvent{},
                .start = {},
                .end = {},
                .misfire = job.misfire,
                .jitter = seconds{job.jitter_s}};
  auto zone = TimeZone::load(job.timezone.value_or("UTC"));
  if (!zone) return under("/timezone", zone.error());
  if (auto const* cron = std::get_if<contract::CronTrigger>(&job.trigger)) {
    auto parsed = Cron::parse(cron->expression);
    if (!parsed) return under("/cron", parsed.error());
    timing.when = Timing::Repeated{*parsed, *zone};
  }
  if (auto const* once = std::get_if<contract::OnceTrigger>(&job.trigger))
    timing.when = Timing::Once{floor<Millis>(once->execute_at.at)};
  if (job.start_at) timing.start = floor<Millis>(job.start_at->at);
  if (job.end_at) timing.end = floor<Millis>(job.end_at->at);
  return timing;
}

std::optional<WallTime> first_time(Timing const& timing, WallTime now) {
  if (auto const* once = std::get_if<Timing::Once>(&timing.when)) {
    bool const inside =
        (!timing.start || once->at >= *timing.start) && (!timing.end || once->at <= *timing.end);
    return inside ? std::optional{once->at} : std::nullopt;
  }
  auto const* repeated = std::get_if<Timing::Repeated>(&timing.when);
  return repeated == nullptr ? std::nullopt : next_time(timing, *repeated, now);
}

WallTime due_time(Timing const& timing, WallTime nominal) {
  if (timing.jitter == Millis{0}) return nominal;
  std::string const digest =
      sha256_hex(fmt::format("{}@{}", timing.id, to_unix_ms(nominal))).substr(0, 12);
  auto const drawn = std::stoull(digest, nullptr, 16);
  return nominal + Millis{static_cast<std::int64_t>(
                       drawn % static_cast<std::uint64_t>(timing.jitter.count()))};
}

bool is_within(Timing const& timing, WallTime now) {
  return (!timing.start || now >= *timing.start) && (!timing.end || now <= *timing.end);
}

DuePlan plan_due(Timing const& timing, WallTime nominal, WallTime now) {
  if (auto const* repeated = std::get_if<Timing::Repeated>(&timing.when))
    return plan_repeated(timing, *repeated, nominal, now);
  DuePlan plan;
  bool const missed = now - due_time(timing, nominal) > kLateMax;
  if (missed && timing.misfire == Misfire::skip) {
    plan.skip = DuePlan::Skip{.first = nominal, .last = nominal, .count = 1, .at_least = false};
  } else {
    plan.fire.push_back({.nominal = nominal, .missed = 0});
  }
  return plan;
}

OverlapDecision decide_overlap(Overlap overlap, std::int64_t open) {
  using Start = OverlapDecision::Start;
  if (open == 0) return {};
  if (overlap == Overlap::skip)
    return {.start = Start::never,
            .cancel_earlier = false,
            .reason = "overlap: an earlier firing has not ended"};
  if (overlap == Overlap::replace)
    return {.start = Start::wait, .cancel_earlier = true, .reason = {}};
  if (open >= kQueuedFiringsMax)
    return {.start = Start::never,
            .cancel_earlier = false,
            .reason = fmt::format("overlap: {} earlier firings have not ended, which is the most "
                                  "that one schedule may have",
                                  open)};
  return {.start = overlap == Overlap::allow ? Start::now : Start::wait,
          .cancel_earlier = false,
          .reason = {}};
}

}  // namespace drover::schedule
