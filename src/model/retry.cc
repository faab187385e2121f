#include "model/retry.h"

#include <algorithm>

namespace drover::model {

namespace {

Millis jitter_below(Millis bound, Random& random) {
  return Millis{static_cast<std::int64_t>(
      random.below(static_cast<std::uint64_t>(std::max<std::int64_t>(bound.count(), 0)) + 1))};
}

Millis exponential(RetryPolicy const& policy, int attempt) {
  constexpr int kShiftMax = 20;  // beyond any cap, and far from overflow
  auto const factor = std::int64_t{1} << std::clamp(attempt - 1, 0, kShiftMax);
  return std::min(policy.cap, policy.base * factor);
}

}  // namespace

std::optional<Millis> retry_wait(RetryPolicy const& policy, Failure const& failure, int attempt,
                                 Random& random) {
  if (classify(failure) != Verdict::retry || attempt >= policy.attempts_max) return {};
  if (!failure.retry_after) return jitter_below(exponential(policy, attempt), random);
  if (*failure.retry_after > policy.retry_after_max) return {};
  return *failure.retry_after + jitter_below(*failure.retry_after / 10, random);
}

}  // namespace drover::model
