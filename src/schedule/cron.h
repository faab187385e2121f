#pragma once
// Cron expressions: when do they fire next, in which time zone. Pure.
//
// Five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12 or jan-dec), day of
// week (0-7 or sun-sat; 0 and 7 are Sunday). A field is `*`, a value, a range `a-b`, either with a
// step `/n` (`a/n` goes on to the field's end), or a list of these. `@hourly`, `@daily`
// (`@midnight`),
// `@weekly`, `@monthly`, `@yearly` (`@annually`) stand for five fields. L, W, # and ? are refused.
// Where neither day field begins with `*`, a day that fits one of them will do; else both must fit.
//
// When the clock is changed (as Vixie cron, but stated precisely):
// - An expression whose minute or hour field begins with `*` is *repeating*: in an hour that comes
//   twice it fires in both, so that its firings keep their distance.
// - Any other is *fixed*: a time that comes twice fires at the first only.
// - A time that is left out (the clock is put forward over it): where the hour field begins with
//   `*` there is nothing to make up for. Otherwise all times that are left out by one change
//   together fire once, at the moment after the gap.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "schedule/time_zone.h"

namespace drover::schedule {

class Cron {
 public:
  // invalid_argument names the field and what does not fit it; also for an expression that fits no
  // day of any year, such as the 30th of February.
  [[nodiscard]] static Result<Cron> parse(std::string_view text);

  // The first firing behind `after`; nullopt when there is none within kYearsMax years.
  [[nodiscard]] std::optional<sys_seconds> next(sys_seconds after, TimeZone const& zone) const;
  // For people: "at 09:30 on mon, tue, wed, thu, fri".
  [[nodiscard]] std::string describe() const;

  // Two leap days that are one weekday can be 40 years apart.
  static constexpr int kYearsMax = 41;

 private:
  Cron() = default;
  // The first local minute from `from` on, before `until`.
  [[nodiscard]] std::optional<LocalSeconds> first_match(LocalSeconds from,
                                                        LocalSeconds until) const;
  [[nodiscard]] bool fits_day(std::chrono::year_month_day day) const;
  // Within one stretch of constant offset.
  [[nodiscard]] std::optional<sys_seconds> next_in_stretch(sys_seconds from, sys_seconds until,
                                                           TimeZone const& zone) const;

  std::uint64_t minutes_ = 0;  // bit n: the value n fits
  std::uint64_t hours_ = 0;
  std::uint64_t days_ = 0;
  std::uint64_t months_ = 0;
  std::uint64_t weekdays_ = 0;  // Sunday is 0
  bool minute_star_ = false;    // the field begins with `*`
  bool hour_star_ = false;
  bool day_star_ = false;
  bool weekday_star_ = false;
};

}  // namespace drover::schedule
