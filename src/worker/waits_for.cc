#include "worker/waits_for.h"

#include <algorithm>

#include "contract/task_type.h"

namespace drover::worker {

std::string waits_for(broker::QueueLane const& lane,
                      std::vector<broker::ClaimFilter> const& present) {
  auto const admits = [&](broker::ClaimFilter const& filter) {
    return broker::admits(filter, lane);
  };
  if (std::ranges::any_of(present, admits)) return {};
  std::string text = "waits for a worker";
  if (lane.pool != contract::kDefaultPool) text += " of the pool " + lane.pool;
  if (!lane.labels.empty()) text += " with " + broker::print_labels(lane.labels);
  // Only where that alone is missing: whoever starts a worker for the rest takes any type.
  bool const but_for_type = std::ranges::any_of(present, [&](broker::ClaimFilter filter) {
    filter.task_types.clear();
    return admits(filter);
  });
  if (but_for_type) text += " that takes the task type " + lane.task_type;
  return text;
}

}  // namespace drover::worker
