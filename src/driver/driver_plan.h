#pragma once
// What a driver does with a run that has come to rest: what is begun, what is stopped, when it is
// looked at again. Pure.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "driver/effect_work.h"
#include "workflow/iterate.h"

namespace drover::driver {

struct RestPlan {
  // In the order in which the process asked for them. Commands are not among them: those are begun
  // with their mark in the journal, see driven_run.h.
  std::vector<workflow::NextAction> begin{};
  std::vector<std::string> stop{};  // effects that are at work, and that nobody waits for any more
  std::optional<WallTime> wake{};
};
// `under_way`: the effects of the run that are at work. Effects of a carrier that is not in
// `carriers` are left to the outside.
[[nodiscard]] RestPlan plan_rest(workflow::Iterated const& iterated,
                                 std::map<std::string, Carrier> const& under_way,
                                 std::vector<Carrier> const& carriers);

// After the `failures`th failure in a row to bring a run on (1, 2, …).
[[nodiscard]] Millis wait_after_failure(unsigned failures);

}  // namespace drover::driver
