#include "runtime/container_reconcile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace drover::runtime {
namespace {

using Kind = ReconcileStep::Kind;
using testing::ElementsAre;
using testing::IsEmpty;

WorkloadId id_of(std::string const& text) {
  return WorkloadId::trusted(text);
}

Container container(std::string id, std::string workload, ContainerState state,
                    std::string server = "me", std::string spec = "s") {
  Container made;
  made.id = std::move(id);
  made.workload = std::move(workload);
  made.state = state;
  made.server = std::move(server);
  made.spec = std::move(spec);
  return made;
}

TEST(ContainerReconcile, WhatHasEndedIsFinishedAndWhatRunsIsLeft) {
  std::vector<KnownContainer> const known{{id_of("a"), "ca", "s", ContainerPhase::started},
                                          {id_of("b"), "cb", "s", ContainerPhase::started},
                                          {id_of("c"), "cc", "s", ContainerPhase::started}};
  auto const steps = reconcile_containers(
      "me", known,
      {container("ca", "a", ContainerState::running), container("cb", "b", ContainerState::ended)});
  EXPECT_THAT(steps, ElementsAre(ReconcileStep{Kind::finish, id_of("b"), "cb"},
                                 ReconcileStep{Kind::finish, id_of("c"), "cc"}));
}

TEST(ContainerReconcile, WhatNobodyKnowsGoesAndWhatIsNotOursStays) {
  auto const steps = reconcile_containers("me", {},
                                          {container("x", "a", ContainerState::running),
                                           container("y", "a", ContainerState::running, "other"),
                                           container("z", "a", ContainerState::running, "")});
  EXPECT_THAT(steps, ElementsAre(ReconcileStep{Kind::remove, {}, "x"}));
  EXPECT_THAT(reconcile_containers("", {}, {container("z", "a", ContainerState::ended, "")}),
              IsEmpty());
}

TEST(ContainerReconcile, OneThatIsBeingMadeIsLeftAlone) {
  EXPECT_THAT(reconcile_containers("me", {{id_of("a"), "", "s", ContainerPhase::creating}},
                                   {container("x", "a", ContainerState::created)}),
              IsEmpty());
}

TEST(ContainerReconcile, AdoptionNeedsTheSameSpec) {
  std::vector<KnownContainer> const known{{id_of("a"), "", "s", ContainerPhase::adopting}};
  EXPECT_THAT(reconcile_containers("me", known, {container("x", "a", ContainerState::running)}),
              ElementsAre(ReconcileStep{Kind::adopt, id_of("a"), "x"}));
  EXPECT_THAT(
      reconcile_containers("me", known,
                           {container("x", "a", ContainerState::running, "me", "another")}),
      ElementsAre(ReconcileStep{Kind::remove, {}, "x"}, ReconcileStep{Kind::lose, id_of("a"), ""}));
  EXPECT_THAT(reconcile_containers("me", known,
                                   {container("x", "a", ContainerState::running),
                                    container("y", "a", ContainerState::running)}),
              ElementsAre(ReconcileStep{Kind::adopt, id_of("a"), "x"},
                          ReconcileStep{Kind::remove, {}, "y"}));
}

// Any history of known and seen: carrying out the steps leaves nothing more to do, and touches
// nobody else's container.
TEST(ContainerReconcile, ASecondLookHasNothingToDo) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    std::mt19937_64 random{seed};
    auto const below = [&](std::uint64_t bound) { return random() % bound; };
    std::vector<KnownContainer> known;
    std::vector<Container> seen;
    auto const state = [&] { return static_cast<ContainerState>(below(4)); };
    for (std::uint64_t i = 0; i < 6; ++i) {
      std::string const workload = fmt::format("w{}", i);
      auto const phase = static_cast<ContainerPhase>(below(3));
      bool const started = phase == ContainerPhase::started;
      if (below(3) != 0) known.push_back({id_of(workload), started ? workload : "", "s", phase});
      if (started && below(3) != 0) seen.push_back(container(workload, workload, state()));
    }
    // Of the same workloads and others, of this server and another.
    for (std::uint64_t i = 0; i < 8; ++i)
      if (below(2) == 0)
        seen.push_back(container(fmt::format("c{}", i), fmt::format("w{}", below(8)), state(),
                                 below(4) == 0 ? "other" : "me", below(3) == 0 ? "t" : "s"));
    for (auto const& step : reconcile_containers("me", known, seen)) {
      auto const of_step = [&](auto const& one) { return one.id == step.container; };
      auto const found = std::ranges::find_if(seen, of_step);
      if (found != seen.end()) ASSERT_EQ("me", found->server) << seed;
      if (step.kind == Kind::adopt) {
        for (auto& one : known)
          if (one.workload == step.workload) {
            one.container = step.container;
            one.phase = ContainerPhase::started;
          }
        // The backend looks whether it has ended.
        if (found->state != ContainerState::ended) continue;
      }
      std::erase_if(seen, of_step);
      if (step.kind != Kind::remove)
        std::erase_if(known, [&](auto const& one) { return one.workload == step.workload; });
    }
    ASSERT_THAT(reconcile_containers("me", known, seen), IsEmpty()) << "SEED=" << seed;
  }
}

}  // namespace
}  // namespace drover::runtime
