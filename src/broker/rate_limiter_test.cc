#include "broker/rate_limiter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

namespace drover::broker {
namespace {

BootTime at(std::int64_t ms) {
  return {Millis{ms}};
}

TEST(TokenBucket, BeginsEmptyAndFillsToItsBurst) {
  TokenBucket bucket{{.count = 10, .period = Millis{1000}, .burst = 3}, at(0)};
  EXPECT_EQ(bucket.next(), at(100));
  EXPECT_FALSE(bucket.has(at(99)));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(bucket.has(at(5000)));
    bucket.take(at(5000));
  }
  EXPECT_EQ(bucket.next(), at(5100));
}

// At any moments it is asked, restarts included: in no window of time do more go through than the
// burst and what the window's length gives; and whoever asks at the time that it names is let in.
TEST(TokenBucket, NoWindowLetsMoreThroughThanStated) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random{seed};
    auto const below = [&](std::uint32_t bound) {
      return static_cast<std::int64_t>(random() % bound);
    };
    RateLimit const limit{
        .count = 1 + below(20), .period = Millis{1 + below(2000)}, .burst = 1 + below(10)};
    ASSERT_TRUE(check_rate_limit(limit));
    std::int64_t now = 0;
    TokenBucket bucket{limit, at(now)};
    std::vector<std::int64_t> taken;
    for (int step = 0; step < 400; ++step) {
      now += below(300);
      if (random() % 40 == 0) bucket = TokenBucket{limit, at(now)};
      if (!bucket.has(at(now))) {
        if (random() % 2 == 0) continue;
        now = std::chrono::ceil<Millis>(bucket.next().since_boot).count();
        ASSERT_TRUE(bucket.has(at(now)));
      }
      bucket.take(at(now));
      taken.push_back(now);
    }
    for (std::size_t first = 0; first < taken.size(); ++first)
      for (std::size_t last = first; last < taken.size(); ++last) {
        auto const window = taken[last] - taken[first];
        // The interval is rounded down to whole nanoseconds, hence the one.
        auto const most = limit.burst + window * limit.count / limit.period.count() + 1;
        ASSERT_LE(static_cast<std::int64_t>(last - first + 1), most) << "seed " << seed;
      }
  }
}

}  // namespace
}  // namespace drover::broker
