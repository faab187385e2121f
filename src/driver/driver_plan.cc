#include "driver/driver_plan.h"

#include <algorithm>

#include "driver/driven_run.h"

namespace drover::driver {

RestPlan plan_rest(workflow::Iterated const& iterated,
                   std::map<std::string, Carrier> const& under_way,
                   std::vector<Carrier> const& carriers) {
  RestPlan plan;
  for (auto const& [effect_id, carrier] : under_way) {
    bool const waits = std::ranges::any_of(
        iterated.actions,
        [&](workflow::NextAction const& action) { return action.effect.id == effect_id; });
    if (!waits) plan.stop.push_back(effect_id);
  }
  if (iterated.state != workflow::IterateState::waiting) return plan;
  for (auto const& action : iterated.actions) {
    auto const carrier = carrier_of(action.effect.kind);
    bool const ours =
        carrier != Carrier::command && std::ranges::find(carriers, carrier) != carriers.end();
    if (ours && !under_way.contains(action.effect.id)) plan.begin.push_back(action);
  }
  plan.wake = next_timer(iterated);
  return plan;
}

Millis wait_after_failure(unsigned failures) {
  constexpr Millis kFirst{1'000};
  constexpr Millis kMost{5 * 60'000};
  constexpr unsigned kDoublingsMax = 12;
  auto const doublings = std::min(failures - 1, kDoublingsMax);
  return std::min(kMost, kFirst * (1U << doublings));
}

}  // namespace drover::driver
