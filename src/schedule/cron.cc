#include "schedule/cron.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <span>
#include <utility>
#include <vector>

#include "base/text.h"

namespace drover::schedule {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::year_month_day;

namespace {

constexpr std::size_t kTextBytesMax = 200;
constexpr std::size_t kFields = 5;

struct Field {
  std::string_view name;
  unsigned low;
  unsigned high;
  std::span<std::string_view const> words;  // of the values from `first_word` on
  unsigned first_word = 0;
};

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};
constexpr std::array<Field, kFields> kFieldsInOrder = {{{"minute", 0, 59, {}},
                                                        {"hour", 0, 23, {}},
                                                        {"day of month", 1, 31, {}},
                                                        {"month", 1, 12, kMonths, 1},
                                                        {"day of week", 0, 7, kWeekdays}}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kAliases = {
    {{"@hourly", "0 * * * *"},
     {"@daily", "0 0 * * *"},
     {"@midnight", "0 0 * * *"},
     {"@weekly", "0 0 * * 0"},
     {"@monthly", "0 0 1 * *"},
     {"@yearly", "0 0 1 1 *"},
     {"@annually", "0 0 1 1 *"}}};
constexpr std::array<unsigned, 12> kDaysOfMonth = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

constexpr std::uint64_t bit(unsigned value) {
  return std::uint64_t{1} << value;
}

std::unexpected<Error> bad_field(Field const& field, std::string_view text, std::string_view why) {
  return fail(ErrorCode::invalid_argument, "the {} '{}' of the cron expression {}", field.name,
              printable(text, 40), why);
}

std::optional<unsigned> number_of(std::string_view text) {
  unsigned value = 0;
  constexpr std::size_t kDigitsMax = 4;
  if (text.empty() || text.size() > kDigitsMax) return std::nullopt;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<unsigned> value_of(Field const& field, std::string_view text) {
  for (unsigned i = 0; i < field.words.size(); ++i)
    if (iequals(text, field.words[i])) return i + field.first_word;
  auto const number = number_of(text);
  if (!number) {
    if (text.find_first_of("LW#?lw") != std::string_view::npos)
      return bad_field(field, text, "uses L, W, # or ?, which drover does not know");
    return bad_field(field, text, "is no number and no name that this field has");
  }
  if (*number < field.low || *number > field.high)
    return bad_field(field, text, fmt::format("is not from {} to {}", field.low, field.high));
  return *number;
}

struct Range {
  unsigned low;
  unsigned high;
};

Result<Range> range_of(Field const& field, std::string_view text, bool has_step) {
  if (text == "*") return Range{field.low, field.high};
  auto const dash = text.find('-');
  auto const low = value_of(field, text.substr(0, dash));
  if (!low) return std::unexpected(low.error());
  if (dash == std::string_view::npos) return Range{*low, has_step ? field.high : *low};
  auto const high = value_of(field, text.substr(dash + 1));
  if (!high) return std::unexpected(high.error());
  if (*high < *low) return bad_field(field, text, "is a range that ends before it begins");
  return Range{*low, *high};
}

Result<std::uint64_t> read_field(Field const& field, std::string_view text) {
  std::uint64_t values = 0;
  for (std::string_view const part : split(text, ',')) {
    auto const slash = part.find('/');
    bool const has_step = slash != std::string_view::npos;
    unsigned step = 1;
    if (has_step) {
      auto const given = number_of(part.substr(slash + 1));
      if (!given || *given == 0 || *given > field.high)
        return bad_field(field, part, fmt::format("has no step from 1 to {}", field.high));
      step = *given;
    }
    auto const range = range_of(field, part.substr(0, slash), has_step);
    if (!range) return std::unexpected(range.error());
    for (unsigned value = range->low; value <= range->high; value += step)
      values |= bit(value);
  }
  return values;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  constexpr std::string_view kSpace = " \t";
  for (auto at = text.find_first_not_of(kSpace); at != std::string_view::npos;) {
    auto const end = std::min(text.find_first_of(kSpace, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kSpace, end);
  }
  return words;
}

std::vector<unsigned> values_in(std::uint64_t bits) {
  std::vector<unsigned> values;
  for (; bits != 0; bits &= bits - 1)
    values.push_back(static_cast<unsigned>(std::countr_zero(bits)));
  return values;
}

// The smallest value from `from` on; nullopt when there is none.
std::optional<unsigned> next_value(std::uint64_t bits, unsigned from) {
  std::uint64_t const rest = bits & ~(bit(from) - 1);
  if (rest == 0) return std::nullopt;
  return static_cast<unsigned>(std::countr_zero(rest));
}

std::string names_of(std::uint64_t bits, Field const& field) {
  std::vector<std::string_view> names;
  for (unsigned const value : values_in(bits))
    names.push_back(field.words[value - field.first_word]);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  if (text.size() > kTextBytesMax)
    return fail(ErrorCode::invalid_argument,
                "the cron expression has {} bytes, over the limit of {}", text.size(),
                kTextBytesMax);
  text = trim(text);
  if (text.starts_with('@')) {
    auto const* const alias =
        std::ranges::find(kAliases, text, &decltype(kAliases)::value_type::first);
    if (alias == kAliases.end())
      return fail(
          ErrorCode::invalid_argument,
          "there is no cron alias '{}'; known are @hourly, @daily, @weekly, @monthly, @yearly",
          printable(text, 40));
    text = alias->second;
  }
  auto const words = words_of(text);
  if (words.size() != kFields)
    return fail(ErrorCode::invalid_argument,
                "the cron expression '{}' has {} fields, and needs 5: minute, hour, day of month, "
                "month, day of week",
                printable(text, 60), words.size());
  std::array<std::uint64_t, kFields> bits{};
  for (std::size_t i = 0; i < kFields; ++i) {
    auto const values = read_field(kFieldsInOrder[i], words[i]);
    if (!values) return std::unexpected(values.error());
    bits[i] = *values;
  }
  Cron cron;
  cron.minutes_ = bits[0];
  cron.hours_ = bits[1];
  cron.days_ = bits[2];
  cron.months_ = bits[3];
  constexpr unsigned kSecondSunday = 7;
  cron.weekdays_ =
      (bits[4] & ~bit(kSecondSunday)) | ((bits[4] & bit(kSecondSunday)) != 0 ? 1U : 0U);
  cron.minute_star_ = words[0].starts_with('*');
  cron.hour_star_ = words[1].starts_with('*');
  cron.day_star_ = words[2].starts_with('*');
  cron.weekday_star_ = words[4].starts_with('*');
  bool const by_weekday = !cron.weekday_star_ && !cron.day_star_;
  bool const some_day = std::ranges::any_of(values_in(cron.months_), [&](unsigned month) {
    return (cron.days_ & (bit(kDaysOfMonth[month - 1] + 1) - 1)) != 0;
  });
  if (!by_weekday && !some_day)
    return fail(ErrorCode::invalid_argument, "the cron expression '{}' fits no day of any year",
                printable(text, 60));
  return cron;
}

bool Cron::fits_day(year_month_day day) const {
  if ((months_ & bit(static_cast<unsigned>(day.month()))) == 0) return false;
  bool const by_date = (days_ & bit(static_cast<unsigned>(day.day()))) != 0;
  std::chrono::weekday const weekday{local_days{day}};
  bool const by_weekday = (weekdays_ & bit(weekday.c_encoding())) != 0;
  bool const either = !day_star_ && !weekday_star_;
  return either ? by_date || by_weekday : by_date && by_weekday;
}

std::optional<LocalSeconds> Cron::first_match(LocalSeconds from, LocalSeconds until) const {
  auto const minute = std::chrono::ceil<minutes>(from);
  auto day = std::chrono::floor<days>(minute);
  auto of_day = minute - day;
  for (; LocalSeconds{day} < until; day += days{1}, of_day = minutes{0}) {
    if (!fits_day(year_month_day{day})) continue;
    auto hour = static_cast<unsigned>(std::chrono::floor<hours>(of_day).count());
    auto first_minute = static_cast<unsigned>((of_day % hours{1}).count());
    for (auto at = next_value(hours_, hour); at; at = next_value(hours_, *at + 1)) {
      if (auto const found = next_value(minutes_, *at == hour ? first_minute : 0)) {
        LocalSeconds const match = day + hours{*at} + minutes{*found};
        return match < until ? std::optional{match} : std::nullopt;
      }
    }
  }
  return std::nullopt;
}

std::optional<sys_seconds> Cron::next_in_stretch(sys_seconds from, sys_seconds until,
                                                 TimeZone const& zone) const {
  seconds const offset = zone.offset_at(from);
  auto const local = [&](sys_seconds time) {
    return LocalSeconds{time.time_since_epoch() + offset};
  };
  bool const repeating = minute_star_ || hour_star_;
  for (LocalSeconds start = local(from);;) {
    auto const match = first_match(start, local(until));
    if (!match) return std::nullopt;
    sys_seconds const time{match->time_since_epoch() - offset};
    if (repeating || !zone.repeats(time)) return time;
    start = *match + minutes{1};
  }
}

std::optional<sys_seconds> Cron::next(sys_seconds after, TimeZone const& zone) const {
  sys_seconds const horizon = after + days{366} * kYearsMax;
  sys_seconds from = after + seconds{1};
  while (from < horizon) {
    // Whether `from` itself is the moment after a gap is seen from the stretch before it.
    auto const change = zone.next_change(from - seconds{1});
    if (change && change->at == from) {
      bool const gap = change->after > change->before && !hour_star_;
      LocalSeconds const left{from.time_since_epoch() + change->before};
      LocalSeconds const shown{from.time_since_epoch() + change->after};
      if (gap && first_match(left, shown)) return from;
    }
    auto const following = zone.next_change(from);
    sys_seconds const until = following ? std::min(following->at, horizon) : horizon;
    if (auto const found = next_in_stretch(from, until, zone)) return found;
    from = until;
  }
  return std::nullopt;
}

std::string Cron::describe() const {
  constexpr std::size_t kTimesMax = 4;
  std::string text;
  auto const hour_values = values_in(hours_);
  auto const minute_values = values_in(minutes_);
  if (hour_values.size() * minute_values.size() <= kTimesMax) {
    std::vector<std::string> times;
    for (unsigned const hour : hour_values)
      for (unsigned const minute : minute_values)
        times.push_back(fmt::format("{:02}:{:02}", hour, minute));
    text = fmt::format("at {}", fmt::join(times, ", "));
  } else {
    text = minute_values.size() == 60 ? "every minute"
                                      : fmt::format("at minute {}", fmt::join(minute_values, ", "));
    if (hour_values.size() != 24) text += fmt::format(" of hour {}", fmt::join(hour_values, ", "));
  }
  bool const all_days = std::popcount(days_) == 31;
  bool const all_weekdays = std::popcount(weekdays_) == 7;
  bool const either = !day_star_ && !weekday_star_;
  if (!all_days) text += fmt::format(" on day {}", fmt::join(values_in(days_), ", "));
  if (!all_weekdays)
    text += fmt::format("{} on {}",
                        all_days ? ""
                        : either ? " or"
                                 : " and",
                        names_of(weekdays_, kFieldsInOrder[4]));
  if (std::popcount(months_) != 12)
    text += fmt::format(" in {}", names_of(months_, kFieldsInOrder[3]));
  return text;
}

}  // namespace drover::schedule
