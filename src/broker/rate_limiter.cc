#include "broker/rate_limiter.h"

#include <algorithm>

#include "base/check.h"

namespace drover::broker {

namespace {

constexpr std::int64_t kCountMax = 1'000'000;
constexpr Millis kPeriodMax{31LL * 24 * 3600 * 1000};

}  // namespace

Status check_rate_limit(RateLimit const& limit) {
  if (limit.count < 1 || limit.count > kCountMax || limit.burst < 1 || limit.burst > kCountMax)
    return fail(ErrorCode::invalid_argument,
                "a rate limit has a count and a burst of 1 to {}, not {} and {}", kCountMax,
                limit.count, limit.burst);
  if (limit.period < Millis{1} || limit.period > kPeriodMax)
    return fail(ErrorCode::invalid_argument, "a rate limit has a period of 1 to {} ms, not {}",
                kPeriodMax.count(), limit.period.count());
  return {};
}

// The generic cell rate algorithm: one point in time says all. A token is there while the bucket
// would be full no later than `burst` - 1 intervals from now.
TokenBucket::TokenBucket(RateLimit const& limit, BootTime empty_at)
    : interval_(Nanos{limit.period} / limit.count),
      slack_(interval_ * (limit.burst - 1)),
      full_at_(empty_at + interval_ * limit.burst) {}

void TokenBucket::take(BootTime now) {
  DROVER_CHECK(has(now));
  full_at_ = std::max(full_at_, now) + interval_;
}

}  // namespace drover::broker
