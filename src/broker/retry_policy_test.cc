#include "broker/retry_policy.h"

#include <gtest/gtest.h>

#include <random>

namespace drover::broker {
namespace {

RetryPolicy plain(Backoff backoff) {
  RetryPolicy policy;
  policy.attempts_max = 6;
  policy.backoff = backoff;
  policy.delay = Millis{100};
  policy.delay_max = Millis{350};
  policy.jitter = Jitter::none;
  if (backoff == Backoff::list) policy.delays = {Millis{30}, Millis{120}};
  return policy;
}

std::vector<std::int64_t> delays(RetryPolicy const& policy) {
  std::vector<std::int64_t> all;
  for (std::int64_t failed = 1;; ++failed) {
    auto const delay = decide_retry(policy, failed, 0, std::nullopt);
    if (!delay) return all;
    all.push_back(delay->count());
  }
}

TEST(RetryPolicy, EachBackoffUntilTheAttemptsAreUsedUp) {
  using Delays = std::vector<std::int64_t>;
  EXPECT_EQ(delays(plain(Backoff::fixed)), (Delays{100, 100, 100, 100, 100}));
  EXPECT_EQ(delays(plain(Backoff::exponential)), (Delays{100, 200, 350, 350, 350}));
  EXPECT_EQ(delays(plain(Backoff::list)), (Delays{30, 120, 120, 120, 120}));
}

TEST(RetryPolicy, FullJitterCoversTheWholeDelayAndNoMore) {
  RetryPolicy policy = plain(Backoff::fixed);
  policy.jitter = Jitter::full;
  std::mt19937_64 random{7};
  std::int64_t lowest = 1000;
  std::int64_t highest = 0;
  std::int64_t sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    auto const delay = decide_retry(policy, 1, random(), std::nullopt)->count();
    lowest = std::min(lowest, delay);
    highest = std::max(highest, delay);
    sum += delay;
  }
  EXPECT_EQ(lowest, 0);
  EXPECT_EQ(highest, 100);
  EXPECT_NEAR(static_cast<double>(sum) / 10'000, 50, 2);
}

TEST(RetryPolicy, TheFailureMayNameTheDelayButNotMoreAttempts) {
  RetryPolicy policy = plain(Backoff::fixed);
  policy.jitter = Jitter::full;
  EXPECT_EQ(decide_retry(policy, 1, 12345, Millis{7777}), Millis{7777});
  EXPECT_EQ(decide_retry(policy, 6, 12345, Millis{7777}), std::nullopt);
}

TEST(RetryPolicy, AnExponentialDelayNeverOverflows) {
  RetryPolicy policy = plain(Backoff::exponential);
  policy.attempts_max = kAttemptsMaxMax;
  policy.delay_max = kDelayMaxMax;
  EXPECT_EQ(decide_retry(policy, kAttemptsMaxMax - 1, 0, std::nullopt), kDelayMaxMax);
}

TEST(RetryPolicy, IsReadAsItWasPrinted) {
  for (auto const backoff : {Backoff::fixed, Backoff::exponential, Backoff::list}) {
    auto const policy = plain(backoff);
    EXPECT_EQ(read_retry_policy(print_retry_policy(policy)).value(), policy);
  }
  EXPECT_EQ(read_retry_policy(print_retry_policy(RetryPolicy{})).value(), RetryPolicy{});
  for (char const* const bad :
       {"", "3", "3 exponential 1000 900000", "3 often 1 1 full", "0 fixed 1 1 full",
        "3 list 1 1 none", "3 fixed 1 1 full 5", "3 fixed 1x 1 full", "3 fixed -1 1 full"})
    EXPECT_EQ(read_retry_policy(bad).error().code, ErrorCode::data_corrupt) << bad;
}

}  // namespace
}  // namespace drover::broker
