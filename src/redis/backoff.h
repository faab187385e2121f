#pragma once
// How long to wait before the next try of something that failed. Pure.
#include <algorithm>
#include <cstdint>

#include "base/random.h"
#include "base/time.h"

namespace drover::redis {

struct BackoffOptions {
  Millis first{50};
  Millis longest{5'000};
};

// Doubles with every failure. Each wait is spread over its upper half, so that many clients of one
// server that has come back do not come all at once.
class Backoff {
 public:
  explicit Backoff(BackoffOptions options = {}) : options_(options) {}

  [[nodiscard]] Millis next(Random& random) {
    Millis const whole =
        std::min(options_.longest, options_.first * (std::int64_t{1} << failures_));
    failures_ = std::min(failures_ + 1, kDoublingsMax);
    auto const half = static_cast<std::uint64_t>(whole.count() / 2);
    return whole - Millis{static_cast<std::int64_t>(random.below(half + 1))};
  }
  void reset() { failures_ = 0; }

 private:
  static constexpr int kDoublingsMax = 20;
  BackoffOptions options_;
  int failures_ = 0;
};

}  // namespace drover::redis
