#pragma once
// When a call may go to an upstream: how many at once, not before the upstream wants the next, and
// not while it is down. One for each key, for the whole server, so that units do not learn each for
// itself what one of them was told. Pure: time and randomness are given.
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/random.h"
#include "base/time.h"
#include "net/http_types.h"

namespace drover::gateway {

struct GatePolicy {
  std::size_t requests_max = 64;
  int failures_max = 5;     // in a row, before the upstream counts as down
  Millis down_base{5'000};  // for how long at first; doubles each time up to
  Millis down_max{300'000};
  Millis backoff_base{500};  // after a refusal that says no time; doubles in a row up to
  Millis backoff_max{60'000};
  Millis asked_max{600'000};  // of what an upstream asks for
};

// How a call ended, as far as it says something about the upstream.
struct UpstreamOutcome {
  enum class Kind : std::uint8_t {
    fine,       // it answered, be it with an error that is the caller's
    limited,    // 429, 529, or an overload inside a stream: too much for now
    failed,     // not reached, silent, cut, or 5xx
    abandoned,  // the caller went before anything was known
  };
  Kind kind = Kind::fine;
  std::optional<Millis> wait;  // that it asked for
};

// The time that an answer's headers ask for before the next call: retry-after, or the reset of a
// limit of which nothing remains (anthropic-ratelimit-*, x-ratelimit-*).
[[nodiscard]] std::optional<Millis> asked_wait(net::Headers const& headers, WallTime now);

class UpstreamGate {
 public:
  explicit UpstreamGate(GatePolicy policy) : policy_(policy) {}
  void set_requests_max(std::size_t requests) { policy_.requests_max = requests; }

  struct Answer {
    enum class Kind : std::uint8_t {
      go,     // begin() follows
      full,   // when a call ends
      later,  // at `at`
      down,   // at `at`, and nothing may wait for it: there may be another model
    };
    Kind kind = Kind::go;
    BootTime at;
  };
  [[nodiscard]] Answer ask(BootTime now) const;
  void begin(BootTime now);
  // Of one that began.
  void end(BootTime now, UpstreamOutcome const& outcome, Random& random);

  [[nodiscard]] std::size_t open() const { return open_; }
  [[nodiscard]] bool is_down(BootTime now) const {
    return failures_ >= policy_.failures_max && now < down_until_;
  }

 private:
  GatePolicy policy_;
  std::size_t open_ = 0;
  int limited_ = 0;   // in a row
  int failures_ = 0;  // likewise
  int times_down_ = 0;
  bool probing_ = false;  // one call finds out whether it is up again
  BootTime not_before_{};
  BootTime down_until_{};
};

}  // namespace drover::gateway
