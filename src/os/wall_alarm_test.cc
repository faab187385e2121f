#include "os/wall_alarm.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace drover::os {
namespace {

constexpr std::chrono::seconds kDeadline{10};

TEST(WallAlarm, RingsAtItsTimeAndNotBefore) {
  boost::asio::io_context loop;
  SystemClock const clock;
  std::optional<WallTime> rang;
  auto const alarm = WallAlarm::create(loop.get_executor(), [&] {
    rang = clock.now();
    loop.stop();
  });
  ASSERT_TRUE(alarm);
  WallTime const at = clock.now() + Millis{50};
  (*alarm)->set(at);
  loop.run_for(kDeadline);
  ASSERT_TRUE(rang);
  EXPECT_GE(*rang, at);
}

TEST(WallAlarm, ATimeThatHasPassedRingsAtOnceAndAnAlarmRingsAgain) {
  boost::asio::io_context loop;
  SystemClock const clock;
  int rings = 0;
  std::unique_ptr<WallAlarm> alarm;
  auto made = WallAlarm::create(loop.get_executor(), [&] {
    if (++rings == 3) return loop.stop();
    alarm->set(clock.now() - std::chrono::hours{1});
  });
  ASSERT_TRUE(made);
  alarm = *std::move(made);
  alarm->set(WallTime{});
  loop.run_for(kDeadline);
  EXPECT_EQ(rings, 3);
}

TEST(WallAlarm, OneThatIsSetAnewOrTakenBackDoesNotRingForTheOldTime) {
  boost::asio::io_context loop;
  SystemClock const clock;
  int rings = 0;
  auto const alarm = WallAlarm::create(loop.get_executor(), [&] { ++rings; });
  ASSERT_TRUE(alarm);
  (*alarm)->set(clock.now() + Millis{20});
  (*alarm)->set(std::nullopt);
  loop.run_for(Millis{60});
  EXPECT_EQ(rings, 0);
}

TEST(WallAlarm, MayBeDestroyedWhileItIsSet) {
  boost::asio::io_context loop;
  int rings = 0;
  {
    auto const alarm = WallAlarm::create(loop.get_executor(), [&] { ++rings; });
    ASSERT_TRUE(alarm);
    (*alarm)->set(WallTime{});
  }
  loop.run_for(Millis{20});
  EXPECT_EQ(rings, 0);
}

}  // namespace
}  // namespace drover::os
