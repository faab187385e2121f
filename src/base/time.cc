#include "base/time.h"

#include <fmt/format.h>

#include <ctime>

#include "base/check.h"
#include "base/text.h"

namespace drover {

namespace {

Nanos read_clock(clockid_t id) {
  timespec value{};
  DROVER_CHECK(clock_gettime(id, &value) == 0);
  return std::chrono::seconds{value.tv_sec} + Nanos{value.tv_nsec};
}

// Reads exactly `count` digits at `at`; advances `at`.
bool read_digits(std::string_view text, std::size_t& at, int count, int& value) {
  value = 0;
  for (int i = 0; i < count; ++i, ++at) {
    if (at >= text.size() || text[at] < '0' || text[at] > '9') return false;
    value = value * 10 + (text[at] - '0');
  }
  return true;
}

}  // namespace

WallTime SystemClock::now() const {
  return WallTime{std::chrono::duration_cast<Micros>(read_clock(CLOCK_REALTIME))};
}

BootTime SystemClock::boot_now() const {
  return {read_clock(CLOCK_BOOTTIME)};
}

std::string to_rfc3339(WallTime time) {
  auto const day = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day const date{day};
  auto const ms = std::chrono::duration_cast<Millis>(time - day).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  auto const wrong = [&] {
    return fail(ErrorCode::invalid_argument,
                "'{}' is not an RFC 3339 time such as 2026-11-21T03:34:27Z", printable(text));
  };
  std::size_t at = 0;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  auto const skip = [&](char c) { return at < text.size() && text[at] == c && (++at, true); };
  if (!read_digits(text, at, 4, year) || !skip('-') || !read_digits(text, at, 2, month) ||
      !skip('-') || !read_digits(text, at, 2, day))
    return wrong();
  if (!skip('T') && !skip('t') && !skip(' ')) return wrong();
  if (!read_digits(text, at, 2, hour) || !skip(':') || !read_digits(text, at, 2, minute) ||
      !skip(':') || !read_digits(text, at, 2, second))
    return wrong();
  Nanos fraction{0};
  if (skip('.')) {
    std::int64_t scale = 100'000'000;
    std::size_t const start = at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
      fraction += Nanos{(text[at] - '0') * scale};
    if (at == start || at - start > 9) return wrong();
  }
  std::chrono::minutes offset{0};
  if (!skip('Z') && !skip('z')) {
    int const sign = skip('+') ? 1 : skip('-') ? -1 : 0;
    int offset_hour = 0, offset_minute = 0;
    if (sign == 0 || !read_digits(text, at, 2, offset_hour) || !skip(':') ||
        !read_digits(text, at, 2, offset_minute) || offset_hour > 23 || offset_minute > 59)
      return wrong();
    offset = sign * std::chrono::minutes{offset_hour * 60 + offset_minute};
  }
  std::chrono::year_month_day const date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (at != text.size() || !date.ok() || hour > 23 || minute > 59 || second > 60) return wrong();
  return WallTime{std::chrono::sys_days{date}.time_since_epoch() + std::chrono::hours{hour} +
                  std::chrono::minutes{minute} + std::chrono::seconds{second} +
                  std::chrono::duration_cast<Micros>(fraction) - offset};
}

std::int64_t to_unix_ms(WallTime time) {
  return std::chrono::duration_cast<Millis>(time.time_since_epoch()).count();
}

WallTime from_unix_ms(std::int64_t unix_ms) {
  return WallTime{Millis{unix_ms}};
}

Result<Millis> parse_duration(std::string_view text) {
  auto const wrong = [&] {
    return fail(ErrorCode::invalid_argument, "'{}' is not a duration; write 450ms, 30s, 15m or 2h",
                printable(text));
  };
  std::int64_t value = 0;
  std::size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + (text[at] - '0');
    if (value > 1'000'000'000'000) return wrong();
  }
  if (at == 0) return wrong();
  auto const unit = text.substr(at);
  if (unit == "ms") return Millis{value};
  if (unit.empty() || unit == "s") return Millis{value * 1000};
  if (unit == "m") return Millis{value * 60'000};
  if (unit == "h") return Millis{value * 3'600'000};
  return wrong();
}

}  // namespace drover
