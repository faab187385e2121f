#pragma once
// When to try a failed model call again. Pure; the caller waits.
#include <optional>

#include "base/random.h"
#include "base/time.h"
#include "model/failure.h"

namespace drover::model {

struct RetryPolicy {
  int attempts_max = 10;  // first try included
  Millis base{500};       // doubles with every attempt
  Millis cap{30'000};
  Millis retry_after_max{120'000};  // a longer request of the peer ends the call instead
};

// How long to wait before attempt `attempt` + 1, where `attempt` (from 1) has just failed; nullopt
// when it should not be tried again. A retry-after of the peer is honoured, plus up to a tenth so
// that units do not return all at once; else full jitter below an exponential bound.
[[nodiscard]] std::optional<Millis> retry_wait(RetryPolicy const& policy, Failure const& failure,
                                               int attempt, Random& random);

}  // namespace drover::model
