#include "driver/residents.h"

#include <gtest/gtest.h>

#include <random>

namespace drover::driver {
namespace {

constexpr ResidentLimits kLimits{2, Millis{250}, Millis{5'000}};

BootTime at(int ms) {
  return BootTime{} + Millis{ms};
}

TEST(Residents, WhoeverWaitsGetsAPlaceThatIsFree) {
  Residents residents{kLimits};
  residents.queue("a", at(0));
  EXPECT_EQ(residents.admit(at(0)).admitted, "a");
  EXPECT_TRUE(residents.has("a"));
  EXPECT_FALSE(residents.is_queued("a"));
  auto const nobody = residents.admit(at(0));
  EXPECT_FALSE(nobody.admitted || nobody.evicted || nobody.again);
}

TEST(Residents, APlaceInQuickUseIsKeptAndOneThatIsNotGoesOn) {
  Residents residents{kLimits};
  for (auto const* const id : {"a", "b"}) {
    residents.begin(id, at(0));
    residents.end(id, at(10));
  }
  residents.queue("c", at(20));
  residents.begin("b", at(200));
  residents.end("b", at(210));
  auto const early = residents.admit(at(210));
  EXPECT_FALSE(early.admitted);
  EXPECT_EQ(early.again, at(260));
  auto const then = residents.admit(at(260));
  EXPECT_EQ(then.admitted, "c");
  EXPECT_EQ(then.evicted, "a");
}

TEST(Residents, AfterLongWaitingThePlaceThatWasHadLongestGoesOnAlsoInUse) {
  Residents residents{kLimits};
  residents.begin("a", at(0));
  residents.begin("b", at(1));
  residents.queue("c", at(100));
  for (int now = 100; now < 5'100; now += 100) {
    for (auto const* const id : {"b", "a"}) {
      residents.begin(id, at(now));
      residents.end(id, at(now));
    }
    ASSERT_FALSE(residents.admit(at(now)).admitted) << now;
  }
  auto const then = residents.admit(at(5'100));
  EXPECT_EQ(then.admitted, "c");
  EXPECT_EQ(then.evicted, "a");
}

TEST(Residents, OneAtWorkIsNeverMadeToGiveItsPlaceUp) {
  Residents residents{kLimits};
  residents.begin("a", at(0));
  residents.begin("b", at(0));
  residents.begin("c", at(0));
  EXPECT_FALSE(residents.surplus());
  residents.queue("d", at(0));
  auto const step = residents.admit(at(100'000));
  EXPECT_FALSE(step.admitted);
  EXPECT_EQ(step.again, at(100'250));
  residents.end("b", at(100'000));
  EXPECT_EQ(residents.surplus(), "b");
}

// Whatever is asked: those that are admitted never make more than the limit, everyone who waits is
// admitted in the end and in the order of asking, and nobody at work is made to leave.
TEST(Residents, OverAnyHistory) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random{seed};
    Residents residents{kLimits};
    std::deque<std::string> waiting;
    std::set<std::string> busy;
    int now = 0;
    auto const admit = [&] {
      auto const step = residents.admit(at(now));
      if (step.evicted) ASSERT_FALSE(busy.contains(*step.evicted)) << seed;
      if (!step.admitted) return;
      ASSERT_EQ(*step.admitted, waiting.front()) << seed;
      waiting.pop_front();
      ASSERT_LE(residents.size(), kLimits.most) << seed;
      residents.begin(*step.admitted, at(now));
      busy.insert(*step.admitted);
    };
    for (int i = 0; i < 300; ++i) {
      now += static_cast<int>(random() % 400);
      std::string const id{static_cast<char>('a' + random() % 8)};
      if (busy.contains(id)) {
        residents.end(id, at(now));
        busy.erase(id);
      } else if (residents.has(id)) {
        residents.begin(id, at(now));
        busy.insert(id);
      } else if (!residents.is_queued(id)) {
        residents.queue(id, at(now));
        waiting.push_back(id);
      }
      admit();
    }
    for (auto const& id : busy)
      residents.end(id, at(now));
    busy.clear();
    for (int i = 0; i < 100 && !waiting.empty(); ++i) {
      now += 6'000;
      admit();
      for (auto const& id : std::exchange(busy, {}))
        residents.end(id, at(now));
    }
    EXPECT_TRUE(waiting.empty()) << seed;
    EXPECT_FALSE(residents.has_queue()) << seed;
  }
}

}  // namespace
}  // namespace drover::driver
