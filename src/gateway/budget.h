#pragma once
// What a run may spend, and what it has spent. Money is in micro-dollars. Pure; used on the event
// loop only.
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "model/messages.h"

namespace drover::gateway {

// One run's account. Reserve before a call, settle after it: calls that are in flight count with
// their reservation, so parallel calls cannot pass the limit together, and the overshoot is at most
// what one call costs beyond its estimate.
class Budget {
 public:
  // nullopt: no limit.
  explicit Budget(std::optional<std::int64_t> limit_microdollars,
                  std::int64_t spent_microdollars = 0)
      : limit_(limit_microdollars), spent_(spent_microdollars) {}

  // budget_exhausted, saying limit and spent, when nothing is left for another call.
  [[nodiscard]] Status reserve(std::int64_t estimate_microdollars);
  // `actual` replaces the reservation.
  void settle(std::int64_t estimate_microdollars, std::int64_t actual_microdollars);
  void add(model::Usage const& usage) { usage_ += usage; }

  [[nodiscard]] std::int64_t spent() const { return spent_; }
  // By calls in flight.
  [[nodiscard]] std::int64_t reserved() const { return reserved_; }
  [[nodiscard]] std::optional<std::int64_t> limit() const { return limit_; }
  [[nodiscard]] model::Usage const& usage() const { return usage_; }

 private:
  std::optional<std::int64_t> limit_;
  std::int64_t spent_ = 0;
  std::int64_t reserved_ = 0;
  model::Usage usage_;
};

// "$0.0123".
[[nodiscard]] std::string format_dollars(std::int64_t microdollars);

}  // namespace drover::gateway
