#pragma once
// Whether, and when, a failed attempt is followed by another. Pure: randomness comes in.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace drover::broker {

enum class Backoff : std::uint8_t {
  fixed,        // `delay` each time
  exponential,  // `delay`, twice that, four times that, and so on up to `delay_max`
  list,         // `delays` one after another, of which the last repeats
};

enum class Jitter : std::uint8_t {
  none,
  full,  // anything from nothing to the whole delay, so that what failed together is spread out
};

struct RetryPolicy {
  std::int64_t attempts_max = 3;  // the first one counts
  Backoff backoff = Backoff::exponential;
  Millis delay{1'000};
  Millis delay_max{15 * 60'000};
  std::vector<Millis> delays;
  Jitter jitter = Jitter::full;
  friend bool operator==(RetryPolicy const&, RetryPolicy const&) = default;
};

inline constexpr std::int64_t kAttemptsMaxMax = 1000;
inline constexpr std::size_t kDelaysMax = 100;
inline constexpr Millis kDelayMaxMax{365LL * 24 * 3600 * 1000};

[[nodiscard]] Status check_retry_policy(RetryPolicy const& policy);

// How long to wait after the `failed`th attempt failed (from 1), or nullopt: there is none left.
// `random` is any 64 random bits. `retry_after` is what the failure itself asked for, such as a
// provider's header: it stands in place of the policy's delay and is not jittered.
[[nodiscard]] std::optional<Millis> decide_retry(RetryPolicy const& policy, std::int64_t failed,
                                                 std::uint64_t random,
                                                 std::optional<Millis> retry_after);

// As it is stored: "3 exponential 1000 900000 full", and the list's delays behind it.
[[nodiscard]] std::string print_retry_policy(RetryPolicy const& policy);
// data_corrupt for anything else.
[[nodiscard]] Result<RetryPolicy> read_retry_policy(std::string_view text);

}  // namespace drover::broker
