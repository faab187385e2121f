#include "redis/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace drover::redis {
namespace {

TEST(Backoff, GrowsToItsLongestAndStartsAnew) {
  SeededRandom random{1};
  BackoffOptions const options{Millis{100}, Millis{1'000}};
  Backoff backoff{options};
  Millis bound{100};
  for (int i = 0; i < 100; ++i) {
    auto const wait = backoff.next(random);
    EXPECT_LE(wait, bound);
    EXPECT_GE(wait, bound / 2);
    bound = std::min(bound * 2, options.longest);
  }
  backoff.reset();
  EXPECT_LE(backoff.next(random), Millis{100});
}

TEST(Backoff, SpreadsItsWaits) {
  SeededRandom random{2};
  std::set<Millis> waits;
  for (int i = 0; i < 50; ++i) {
    Backoff backoff{{Millis{1'000}, Millis{1'000}}};
    waits.insert(backoff.next(random));
  }
  EXPECT_GT(waits.size(), 20U);
}

}  // namespace
}  // namespace drover::redis
