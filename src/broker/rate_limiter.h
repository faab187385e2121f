#pragma once
// A token bucket without a clock of its own: `count` starts in each `period`, of which `burst` may
// come at once.
//
// It begins empty. A server that starts again thus goes on at the stated rate and not with a new
// burst, so that over any span of time, restarts included, no more than `burst` + `count` for each
// `period` of it are let through, and nothing has to be stored.
#include <cstdint>

#include "base/error.h"
#include "base/time.h"

namespace drover::broker {

struct RateLimit {
  std::int64_t count = 1;
  Millis period{1'000};
  std::int64_t burst = 1;
  friend bool operator==(RateLimit const&, RateLimit const&) = default;
};

[[nodiscard]] Status check_rate_limit(RateLimit const& limit);

class TokenBucket {
 public:
  // `empty_at` is when it had nothing: the start of the process. The limit has been checked.
  TokenBucket(RateLimit const& limit, BootTime empty_at);

  // The time from which a token is there.
  [[nodiscard]] BootTime next() const { return full_at_ + -slack_; }
  [[nodiscard]] bool has(BootTime now) const { return next() <= now; }
  // From when on it is as if it had never been used.
  [[nodiscard]] BootTime full_at() const { return full_at_; }
  void take(BootTime now);

 private:
  Nanos interval_;  // between two tokens
  Nanos slack_;     // how long before it is full a token is there
  BootTime full_at_;
};

}  // namespace drover::broker
