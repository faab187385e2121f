#pragma once
// Containers ahead of need: which may serve a workload, and how many there are to be. Pure.
#include <string>
#include <vector>

#include "runtime/runtime.h"

namespace drover::runtime {

// The same for two specs whose containers differ in nothing that is fixed when a container is made.
// Mounts, environment, the limit of what folders grow by, and the longest life come later.
[[nodiscard]] std::string warm_kind(WorkloadSpec const& spec);

// Whether the workload can go into a container that was made for the wish.
[[nodiscard]] bool fits(WarmWish const& wish, WorkloadSpec const& spec);

struct WarmNeed {
  std::string kind;
  std::int64_t count = 0;
};
struct WarmHeld {
  std::string container;
  std::string kind;
  bool gone = false;  // its program has ended
};
struct WarmPlan {
  std::vector<std::string> remove;  // containers
  std::vector<std::string> start;   // kinds, one for each container
  friend bool operator==(WarmPlan const&, WarmPlan const&) = default;
};
// Kinds are named once in `needs`. Of too many the later ones go.
[[nodiscard]] WarmPlan plan_warm(std::vector<WarmNeed> const& needs,
                                 std::vector<WarmHeld> const& held);

}  // namespace drover::runtime
