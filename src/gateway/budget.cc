#include "gateway/budget.h"

#include <fmt/format.h>

#include "base/check.h"

namespace drover::gateway {

Status Budget::reserve(std::int64_t estimate_microdollars) {
  DROVER_CHECK(estimate_microdollars >= 0);
  if (limit_ && spent_ + reserved_ >= *limit_)
    return fail(
        ErrorCode::budget_exhausted,
        "the run's budget of {} does not allow another model call: {} spent, {} reserved by "
        "calls in flight",
        format_dollars(*limit_), format_dollars(spent_), format_dollars(reserved_));
  reserved_ += estimate_microdollars;
  return {};
}

void Budget::settle(std::int64_t estimate_microdollars, std::int64_t actual_microdollars) {
  DROVER_CHECK(estimate_microdollars <= reserved_ && actual_microdollars >= 0);
  reserved_ -= estimate_microdollars;
  spent_ += actual_microdollars;
}

std::string format_dollars(std::int64_t microdollars) {
  return fmt::format("${}.{:04}", microdollars / 1'000'000, microdollars % 1'000'000 / 100);
}

}  // namespace drover::gateway
