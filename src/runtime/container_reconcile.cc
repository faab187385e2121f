#include "runtime/container_reconcile.h"

#include <algorithm>

namespace drover::runtime {

namespace {

using Kind = ReconcileStep::Kind;

bool contains(std::vector<WorkloadId> const& ids, WorkloadId const& id) {
  return std::ranges::find(ids, id) != ids.end();
}

KnownContainer const* owner_of(Container const& container,
                               std::vector<KnownContainer> const& known) {
  auto const found = std::ranges::find_if(known, [&](KnownContainer const& one) {
    // Its label may be that of one that was started ahead of need.
    if (one.phase == ContainerPhase::started) return one.container == container.id;
    if (one.workload.str() != container.workload) return false;
    // Another spec's container is not the one that was lost sight of.
    return one.phase == ContainerPhase::creating || one.spec == container.spec;
  });
  return found == known.end() ? nullptr : &*found;
}

}  // namespace

std::vector<ReconcileStep> reconcile_containers(std::string const& server,
                                                std::vector<KnownContainer> const& known,
                                                std::vector<Container> const& seen) {
  std::vector<ReconcileStep> steps;
  std::vector<WorkloadId> found;
  for (Container const& container : seen) {
    if (server.empty() || container.server != server) continue;
    auto const* const owner = owner_of(container, known);
    bool const taken = owner != nullptr && contains(found, owner->workload);
    if (owner == nullptr || taken) {
      steps.push_back({Kind::remove, {}, container.id});
      continue;
    }
    found.push_back(owner->workload);
    if (owner->phase == ContainerPhase::adopting)
      steps.push_back({Kind::adopt, owner->workload, container.id});
    else if (owner->phase == ContainerPhase::started && container.state == ContainerState::ended)
      steps.push_back({Kind::finish, owner->workload, container.id});
  }
  for (KnownContainer const& one : known) {
    if (contains(found, one.workload)) continue;
    if (one.phase == ContainerPhase::started)
      steps.push_back({Kind::finish, one.workload, one.container});
    if (one.phase == ContainerPhase::adopting) steps.push_back({Kind::lose, one.workload, {}});
  }
  return steps;
}

}  // namespace drover::runtime
