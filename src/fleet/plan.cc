#include "fleet/plan.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace drover::fleet {

namespace {

using Kind = Step::Kind;
using Containers = std::vector<Actual const*>;

// The nearer to running, the better; then the one with the name. The id decides between equals, so
// that every look chooses the same.
int rank(Phase phase) {
  switch (phase) {
    case Phase::running:
      return 0;
    case Phase::restarting:
      return 1;
    case Phase::paused:
      return 2;
    case Phase::created:
    case Phase::ended:
      return 3;
    case Phase::removing:
      return 4;
  }
  return 4;
}

bool fits(Actual const& container, Instance const& wanted) {
  return container.phase != Phase::removing && container.hash == wanted.hash &&
         container.agent == wanted.of.agent && !container.image_moved && !container.spoiled;
}

Actual const* best_of(Containers const& ours, Instance const& wanted, std::string const& name) {
  Actual const* best = nullptr;
  auto const key = [&name](Actual const& one) {
    return std::make_tuple(rank(one.phase), one.name != name, one.id);
  };
  for (Actual const* const one : ours)
    if (fits(*one, wanted) && (best == nullptr || key(*one) < key(*best))) best = one;
  return best;
}

void add_remove(InstancePlan& plan, Actual const& container) {
  if (container.phase != Phase::removing) plan.steps.push_back({Kind::remove, container.id, {}});
}

bool is_taken(Containers const& ours, std::string_view name) {
  return std::ranges::any_of(
      ours, [&](Actual const* one) { return one->phase == Phase::removing && one->name == name; });
}

// The one that fits stays.
void keep(Actual const& best, Containers const& ours, std::string const& name, InstancePlan& plan) {
  for (Actual const* const other : ours)
    if (other != &best) add_remove(plan, *other);
  bool const outdated = !plan.steps.empty();
  if (best.phase == Phase::created || best.phase == Phase::ended)
    plan.steps.push_back({Kind::start, best.id, {}});
  if (best.phase == Phase::paused) plan.steps.push_back({Kind::unpause, best.id, {}});
  // Last, for somebody else may have the name. One that is not free yet can wait for a later look.
  if (best.name != name && !is_taken(ours, name))
    plan.steps.push_back({Kind::rename, best.id, name});
  if (plan.steps.empty()) return;
  // Of a creation that was cut off.
  plan.outcome = best.phase == Phase::created && !outdated ? Outcome::created : Outcome::updated;
}

// The new one is made first, so that whatever is wrong with it shows while the old one runs.
void roll(Containers const& outdated, std::string const& name, std::string const& next,
          InstancePlan& plan) {
  for (Actual const* const one : outdated)
    if (one->name == next) add_remove(plan, *one);
  plan.steps.push_back({Kind::create, {}, next});
  for (Actual const* const one : outdated)
    if (one->name != next) add_remove(plan, *one);
  plan.steps.push_back({Kind::start, {}, {}});
  plan.steps.push_back({Kind::rename, {}, name});
  plan.outcome = Outcome::updated;
}

void wait_for_removal(InstancePlan& plan) {
  plan.steps.clear();
  plan.outcome = Outcome::failed;
  plan.reason = "the engine is still removing its container before";
}

InstancePlan plan_wanted(Instance const& wanted, Containers const& ours, std::string_view prefix) {
  InstancePlan plan;
  plan.instance = wanted.name;
  std::string const name = container_name(prefix, wanted.name);
  if (auto const* const best = best_of(ours, wanted, name); best != nullptr) {
    keep(*best, ours, name, plan);
    return plan;
  }
  std::string const next = next_name(prefix, wanted.name);
  if (is_taken(ours, name) || is_taken(ours, next)) {
    wait_for_removal(plan);
    return plan;
  }
  bool const none =
      std::ranges::all_of(ours, [](Actual const* one) { return one->phase == Phase::removing; });
  if (!none) {
    roll(ours, name, next, plan);
    return plan;
  }
  plan.steps = {{Kind::create, {}, name}, {Kind::start, {}, {}}};
  plan.outcome = Outcome::created;
  return plan;
}

InstancePlan plan_unwanted(std::string instance, Containers const& ours) {
  InstancePlan plan;
  plan.instance = std::move(instance);
  for (Actual const* const one : ours)
    add_remove(plan, *one);
  if (!plan.steps.empty()) plan.outcome = Outcome::removed;
  return plan;
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::created:
      return "created";
    case Phase::running:
      return "running";
    case Phase::restarting:
      return "restarting";
    case Phase::paused:
      return "paused";
    case Phase::ended:
      return "ended";
    case Phase::removing:
      return "removing";
  }
  return "unknown";
}

std::string_view to_string(Step::Kind kind) {
  switch (kind) {
    case Kind::create:
      return "create";
    case Kind::start:
      return "start";
    case Kind::unpause:
      return "unpause";
    case Kind::rename:
      return "rename";
    case Kind::remove:
      return "remove";
  }
  return "unknown";
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::unchanged:
      return "unchanged";
    case Outcome::created:
      return "created";
    case Outcome::updated:
      return "updated";
    case Outcome::removed:
      return "removed";
    case Outcome::failed:
      return "failed";
  }
  return "unknown";
}

std::vector<InstancePlan> plan(WantedInstances const& wanted, InstanceNames const& kept,
                               std::vector<Actual> const& actual, std::string_view prefix) {
  std::map<std::string, Containers, std::less<>> there;
  for (Actual const& one : actual)
    there[one.instance].push_back(&one);
  std::vector<InstancePlan> plans;
  static Containers const kNone;
  for (auto const& [name, instance] : wanted) {
    if (kept.contains(name)) continue;
    auto const found = there.find(name);
    plans.push_back(plan_wanted(instance, found == there.end() ? kNone : found->second, prefix));
  }
  for (auto const& [name, ours] : there)
    if (!wanted.contains(name) && !kept.contains(name)) plans.push_back(plan_unwanted(name, ours));
  return plans;
}

}  // namespace drover::fleet
