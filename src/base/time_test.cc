#include "base/time.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"

namespace drover {
namespace {

std::int64_t unix_us(std::string_view text) {
  auto const time = parse_rfc3339(text);
  EXPECT_TRUE(time.has_value()) << text;
  return time ? time->time_since_epoch().count() : -1;
}

TEST(Rfc3339, KnownInstants) {
  EXPECT_EQ(unix_us("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(unix_us("1985-04-12T23:20:50.52Z"), 482196050520000);
  // RFC 3339 section 5.8: the same instant in two offsets.
  EXPECT_EQ(unix_us("1996-12-19T16:39:57-08:00"), unix_us("1996-12-20T00:39:57Z"));
  EXPECT_EQ(unix_us("1937-01-01T12:00:27.87+00:20"), unix_us("1937-01-01T11:40:27.87Z"));
  EXPECT_EQ(unix_us("1969-12-31T23:59:59.999999Z"), -1);
  EXPECT_EQ(unix_us("2026-11-21t03:34:27z"), unix_us("2026-11-21 03:34:27+00:00"));
  EXPECT_EQ(unix_us("2026-11-21T03:34:27.123456789Z") % 1'000'000, 123456);
  // A leap second counts as the first second behind it.
  EXPECT_EQ(unix_us("1990-12-31T23:59:60Z"), unix_us("1991-01-01T00:00:00Z"));
  EXPECT_EQ(unix_us("0000-01-01T00:00:00Z"), -62167219200000000);
}

TEST(Rfc3339, RefusesEverythingElse) {
  for (auto const* text : {"",
                           "2026",
                           "2026-11-21",
                           "2026-11-21T03:34:27",
                           "2026-11-21T03:34Z",
                           "26-11-21T03:34:27Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-02-29T00:00:00Z",
                           "2026-11-00T00:00:00Z",
                           "2026-04-31T00:00:00Z",
                           "1900-02-29T00:00:00Z",
                           "2026-11-21T24:00:00Z",
                           "2026-11-21T03:60:00Z",
                           "2026-11-21T03:34:61Z",
                           "2026-11-21T03:34:27.Z",
                           "2026-11-21T03:34:27,5Z",
                           "2026-11-21T03:34:27.1234567890Z",
                           "2026-11-21T03:34:27+0100",
                           "2026-11-21T03:34:27+24:00",
                           "2026-11-21T03:34:27+01:60",
                           "2026-11-21T03:34:27+1:00",
                           "2026-11-21T03:34:27ZZ",
                           " 2026-11-21T03:34:27Z",
                           "2026-11-21T03:34:27Z ",
                           "+2026-11-21T03:34:27Z",
                           "2026-1-21T03:34:27Z",
                           "-026-11-21T03:34:27Z"})
    EXPECT_FALSE(parse_rfc3339(text).has_value()) << text;
  EXPECT_TRUE(parse_rfc3339("2000-02-29T00:00:00Z").has_value());
}

TEST(Rfc3339, ErrorsAreOneHarmlessLine) {
  auto const error = parse_rfc3339("\x1b]0;x\x07\n" + std::string(10'000, 'y')).error();
  EXPECT_EQ(error.message.find('\x1b'), std::string::npos);
  EXPECT_LT(error.message.size(), 300U);
}

TEST(Rfc3339, PrintedTimesParseBackToTheMillisecond) {
  SeededRandom random{11};
  for (int i = 0; i < 5000; ++i) {
    // Years 0 to 9999.
    auto const ms =
        static_cast<std::int64_t>(random.below(315'569'519'999'000)) - 62'167'219'200'000;
    auto const text = to_rfc3339(from_unix_ms(ms));
    auto const back = parse_rfc3339(text);
    ASSERT_TRUE(back.has_value()) << text;
    ASSERT_EQ(to_unix_ms(*back), ms) << text;
    ASSERT_EQ(text.size(), 24U) << text;
  }
  EXPECT_EQ(to_rfc3339(from_unix_ms(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(from_unix_ms(-1)), "1969-12-31T23:59:59.999Z");
}

TEST(Duration, UnitsAndBounds) {
  EXPECT_EQ(parse_duration("450ms")->count(), 450);
  EXPECT_EQ(parse_duration("30s")->count(), 30'000);
  EXPECT_EQ(parse_duration("30")->count(), 30'000);
  EXPECT_EQ(parse_duration("15m")->count(), 900'000);
  EXPECT_EQ(parse_duration("2h")->count(), 7'200'000);
  EXPECT_EQ(parse_duration("0")->count(), 0);
  for (auto const* text : {"", "s", "-1s", "1.5h", "1d", "1 s", "1s ", "ms", "99999999999999999999",
                           "10000000000000h"})
    EXPECT_FALSE(parse_duration(text).has_value()) << text;
}

TEST(Clock, TheManualClockMovesOnlyWhenMoved) {
  ManualClock clock;
  auto const wall = clock.now();
  auto const boot = clock.boot_now();
  EXPECT_EQ(clock.now(), wall);
  clock.advance(Millis{1500});
  EXPECT_EQ(clock.now() - wall, Millis{1500});
  EXPECT_EQ(clock.boot_now() - boot, Millis{1500});
  // A step of the wall clock does not touch leases.
  clock.set_wall(from_unix_ms(0));
  EXPECT_EQ(clock.boot_now() - boot, Millis{1500});
}

TEST(Clock, TheSystemsBootTimeDoesNotGoBack) {
  SystemClock const clock;
  auto last = clock.boot_now();
  for (int i = 0; i < 1000; ++i) {
    auto const now = clock.boot_now();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(clock.now(), *parse_rfc3339("2024-01-01T00:00:00Z"));
}

}  // namespace
}  // namespace drover
