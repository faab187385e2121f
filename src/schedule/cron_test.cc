#include "schedule/cron.h"

#include <gtest/gtest.h>

#include <charconv>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/text.h"

namespace drover::schedule {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TimeZone zone_of(std::string_view name) {
  auto zone = TimeZone::load(name);
  EXPECT_TRUE(zone.has_value()) << name;
  return zone ? *zone : TimeZone::utc();
}

Cron cron_of(std::string_view text) {
  auto cron = Cron::parse(text);
  if (!cron) throw std::runtime_error(cron.error().text());
  return *cron;
}

sys_seconds at(std::string_view text) {
  auto const time = parse_rfc3339(text);
  EXPECT_TRUE(time.has_value()) << text;
  return std::chrono::floor<seconds>(time.value_or(WallTime{}));
}

std::vector<std::string> firings(std::string_view expression, std::string_view zone,
                                 std::string_view after, int count) {
  auto const cron = cron_of(expression);
  auto const where = zone_of(zone);
  std::vector<std::string> found;
  auto time = std::optional{at(after)};
  for (int i = 0; i < count && time; ++i) {
    time = cron.next(*time, where);
    if (time) found.push_back(where.format(*time));
  }
  return found;
}

using Texts = std::vector<std::string>;

TEST(Cron, FieldsTakeValuesRangesStepsListsAndNames) {
  EXPECT_EQ(
      firings("5,10-12 9 * * *", "UTC", "2026-01-01T00:00:00Z", 5),
      (Texts{"2026-01-01T09:05:00+00:00", "2026-01-01T09:10:00+00:00", "2026-01-01T09:11:00+00:00",
             "2026-01-01T09:12:00+00:00", "2026-01-02T09:05:00+00:00"}));
  EXPECT_EQ(firings("0 9-17/4 * * MON-Fri", "UTC", "2026-01-02T12:00:00Z", 3),
            (Texts{"2026-01-02T13:00:00+00:00", "2026-01-02T17:00:00+00:00",
                   "2026-01-05T09:00:00+00:00"}));
  EXPECT_EQ(firings("50/5 0 1 feb,APR *", "UTC", "2026-01-01T00:00:00Z", 3),
            (Texts{"2026-02-01T00:50:00+00:00", "2026-02-01T00:55:00+00:00",
                   "2026-04-01T00:50:00+00:00"}));
  EXPECT_EQ(firings("0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", 1),
            firings("0 0 * * 0", "UTC", "2026-01-01T00:00:00Z", 1));
  EXPECT_EQ(firings(" @weekly ", "UTC", "2026-01-01T00:00:00Z", 1),
            (Texts{"2026-01-04T00:00:00+00:00"}));
}

TEST(Cron, EitherDayFieldWillDoWhereBothAreGiven) {
  EXPECT_EQ(firings("0 0 13 * fri", "UTC", "2026-01-01T00:00:00Z", 4),
            (Texts{"2026-01-02T00:00:00+00:00", "2026-01-09T00:00:00+00:00",
                   "2026-01-13T00:00:00+00:00", "2026-01-16T00:00:00+00:00"}));
  // Begins with `*`, so both must fit.
  EXPECT_EQ(firings("0 0 */2 * fri", "UTC", "2026-01-01T00:00:00Z", 2),
            (Texts{"2026-01-09T00:00:00+00:00", "2026-01-23T00:00:00+00:00"}));
}

TEST(Cron, LeapDaysAreFoundAlsoOverACenturyWithoutOne) {
  EXPECT_EQ(firings("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1),
            (Texts{"2104-02-29T00:00:00+00:00"}));
}

TEST(Cron, ASecondInsideAMinuteBelongsToTheNextOne) {
  EXPECT_EQ(firings("* * * * *", "UTC", "2026-01-01T00:00:00Z", 1),
            (Texts{"2026-01-01T00:01:00+00:00"}));
  EXPECT_EQ(firings("* * * * *", "UTC", "2026-01-01T00:00:01Z", 1),
            (Texts{"2026-01-01T00:01:00+00:00"}));
  EXPECT_EQ(firings("* * * * *", "UTC", "2026-01-01T00:00:59Z", 1),
            (Texts{"2026-01-01T00:01:00+00:00"}));
}

TEST(Cron, WhatDoesNotFitIsNamed) {
  struct Case {
    std::string_view text;
    std::string_view names;
  };
  constexpr std::array<Case, 16> kCases = {{{"60 * * * *", "minute"},
                                            {"* 24 * * *", "hour"},
                                            {"* * 0 * *", "day of month"},
                                            {"* * * 13 *", "month"},
                                            {"* * * * 8", "day of week"},
                                            {"* * * foo *", "month"},
                                            {"*/0 * * * *", "step"},
                                            {"5-1 * * * *", "ends before"},
                                            {"1,,2 * * * *", "minute"},
                                            {"* * L * *", "L, W, #"},
                                            {"* * * * 5#2", "L, W, #"},
                                            {"* * ? * *", "L, W, #"},
                                            {"* * * *", "4 fields"},
                                            {"* * * * * *", "6 fields"},
                                            {"0 0 30 2 *", "no day"},
                                            {"@fortnightly", "@fortnightly"}}};
  for (auto const& [text, names] : kCases) {
    auto const cron = Cron::parse(text);
    ASSERT_FALSE(cron.has_value()) << text;
    EXPECT_EQ(cron.error().code, ErrorCode::invalid_argument);
    EXPECT_TRUE(cron.error().message.contains(names)) << text << ": " << cron.error().message;
  }
  EXPECT_FALSE(Cron::parse(std::string(100'000, '*')).has_value());
}

TEST(Cron, AFixedTimeInTheSpringGapFiresOnceAtTheMomentBehindIt) {
  EXPECT_EQ(firings("15,30 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00Z", 2),
            (Texts{"2025-03-30T03:00:00+02:00", "2025-03-31T02:15:00+02:00"}));
}

TEST(Cron, AFixedTimeInTheAutumnFoldFiresAtTheFirst) {
  EXPECT_EQ(firings("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00:00Z", 2),
            (Texts{"2025-10-26T02:30:00+02:00", "2025-10-27T02:30:00+01:00"}));
}

TEST(Cron, ARepeatingPatternKeepsItsDistance) {
  for (std::string_view const zone : {"Europe/Berlin", "America/New_York", "Pacific/Chatham"}) {
    auto const where = zone_of(zone);
    for (auto const& [text, distance] :
         {std::pair{"*/15 * * * *", minutes{15}}, std::pair{"30 * * * *", minutes{60}}}) {
      auto const cron = cron_of(text);
      auto time = *cron.next(at("2025-01-01T00:00:00Z"), where);
      while (time < at("2026-01-01T00:00:00Z")) {
        auto const next = *cron.next(time, where);
        ASSERT_EQ(next - time, distance) << zone << " " << text << " " << where.format(next);
        time = next;
      }
    }
  }
}

TEST(Cron, AgreesWithAnIndependentWalkOverAllMinutesAroundClockChanges) {
  std::ifstream table{std::string{DROVER_SOURCE_DIR} + "/src/schedule/testdata/cron_dst.tsv"};
  std::string line;
  std::size_t rows = 0;
  while (std::getline(table, line)) {
    if (line.starts_with('#')) continue;
    auto const columns = split(line, '\t');
    ASSERT_EQ(columns.size(), 5U);
    auto const second = [](std::string_view text) {
      std::int64_t value = 0;
      std::from_chars(text.data(), text.data() + text.size(), value);
      return sys_seconds{seconds{value}};
    };
    auto const zone = zone_of(columns[0]);
    auto const cron = cron_of(columns[1]);
    std::vector<std::string> expected;
    for (auto const text : split(columns[4], ','))
      if (!text.empty()) expected.push_back(zone.format(second(text)));
    std::vector<std::string> found;
    for (auto time = cron.next(second(columns[2]), zone); time && *time <= second(columns[3]);
         time = cron.next(*time, zone))
      found.push_back(zone.format(*time));
    EXPECT_EQ(found, expected) << line.substr(0, 60);
    ++rows;
  }
  EXPECT_GE(rows, 250U);
}

// Whatever the expression and the zone: firings ascend, and where one starts between two of them
// the next is the same.
TEST(Cron, NextIsMonotonousAndDoesNotDependOnWhereItStarts) {
  std::mt19937 random{20261121};
  auto const pick = [&](int bound) {
    return static_cast<int>(random() % static_cast<unsigned>(bound));
  };
  constexpr std::array<std::string_view, 6> kZones = {"UTC",
                                                      "Europe/Berlin",
                                                      "Australia/Lord_Howe",
                                                      "America/St_Johns",
                                                      "Antarctica/Troll",
                                                      "America/Sao_Paulo"};
  for (int round = 0; round < 300; ++round) {
    auto const part = [&](int bound, int low) {
      switch (pick(4)) {
        case 0:
          return std::string{"*"};
        case 1:
          return fmt::format("*/{}", 1 + pick(bound - 1));
        case 2:
          return fmt::format("{}", low + pick(bound));
        default: {
          int const from = low + pick(bound);
          return fmt::format("{}-{}", from, from + pick(low + bound - from));
        }
      }
    };
    auto const text = fmt::format("{} {} {} {} {}", part(60, 0), part(24, 0), part(28, 1),
                                  part(12, 1), part(7, 0));
    auto const cron = cron_of(text);
    auto const zone = zone_of(kZones[static_cast<std::size_t>(pick(6))]);
    auto time = at("2017-09-01T00:00:00Z") + hours{pick(24 * 300)} + seconds{pick(3600)};
    for (int i = 0; i < 30; ++i) {
      auto const next = cron.next(time, zone);
      if (!next) break;
      ASSERT_GT(*next, time) << text;
      auto const between = time + seconds{1} * (pick(1'000'000) % (*next - time).count());
      ASSERT_EQ(cron.next(between, zone), next) << text << " " << zone.name();
      time = *next;
    }
  }
}

TEST(Cron, IsDescribedInWords) {
  EXPECT_EQ(cron_of("30 9 * * mon-fri").describe(), "at 09:30 on mon, tue, wed, thu, fri");
  EXPECT_EQ(cron_of("* * * * *").describe(), "every minute");
  EXPECT_EQ(cron_of("0 0 1 jan *").describe(), "at 00:00 on day 1 in jan");
  EXPECT_EQ(cron_of("0 0 13 * fri").describe(), "at 00:00 on day 13 or on fri");
}

TEST(TimeZone, OnlyNamesOfTheDatabaseAreTaken) {
  for (std::string_view const name :
       {"Mars/Base", "", "/etc/passwd", "../zoneinfo/UTC", "Europe/../../../etc/localtime",
        "file:/etc/localtime", "Europe/Berlin\n", "libc:localtime"}) {
    auto const zone = TimeZone::load(name);
    ASSERT_FALSE(zone.has_value()) << name;
    EXPECT_EQ(zone.error().code, ErrorCode::invalid_argument);
  }
  EXPECT_TRUE(TimeZone::load("America/Argentina/Buenos_Aires").has_value());
}

}  // namespace
}  // namespace drover::schedule
