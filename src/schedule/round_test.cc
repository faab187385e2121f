#include "schedule/round.h"

#include <gtest/gtest.h>

namespace drover::schedule {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

WallTime const kNoon{seconds{1'767'268'800}};

void play(RoundClock& clock, WallTime now) {
  clock.note(clock.plan(now));
}

TEST(RoundClock, TellsAClockThatWasPutBackFromOneThatIsMended) {
  RoundClock clock;
  EXPECT_FALSE(clock.plan(kNoon).put_back) << "nothing is known yet";
  play(clock, kNoon);
  EXPECT_FALSE(clock.plan(kNoon - Millis{900}).put_back);
  EXPECT_TRUE(clock.plan(kNoon - hours{1}).put_back);
  EXPECT_TRUE(clock.plan(kNoon - hours{1}).sweep);
}

// What armed the schedules anew was not written, so that they would stay silent for an hour.
TEST(RoundClock, ARoundThatFailedIsPlannedAgainAsOneAfterAStep) {
  RoundClock clock;
  play(clock, kNoon);
  EXPECT_TRUE(clock.plan(kNoon - hours{1}).put_back);
  EXPECT_TRUE(clock.plan(kNoon - hours{1} + seconds{5}).put_back);
  play(clock, kNoon - hours{1} + seconds{5});
  EXPECT_FALSE(clock.plan(kNoon - hours{1} + seconds{10}).put_back);
}

TEST(RoundClock, SweepsOnceAnHour) {
  RoundClock clock;
  EXPECT_TRUE(clock.plan(kNoon).sweep);
  play(clock, kNoon);
  EXPECT_FALSE(clock.plan(kNoon + Millis{59 * 60'000}).sweep);
  EXPECT_TRUE(clock.plan(kNoon + Millis{61 * 60'000}).sweep);
}

}  // namespace
}  // namespace drover::schedule
