#include "runtime/warm_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace drover::runtime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

WorkloadSpec unit() {
  WorkloadSpec spec;
  spec.agent = "reviewer";
  spec.image = "box";
  spec.sandbox.argv = {"/run/drover/unit"};
  spec.sandbox.cwd = "/workspace";
  spec.sandbox.mounts = {{"/opt/unit", "/run/drover/unit"}};
  return spec;
}
WarmWish wish() {
  WarmWish wish;
  wish.spec = unit();
  wish.places = {"/workspace", "/run/drover"};
  wish.count = 1;
  return wish;
}

TEST(WarmFit, MountsAndEnvironmentComeLater) {
  auto spec = unit();
  spec.id = WorkloadId::trusted("one");
  spec.max_lifetime = Millis{1};
  spec.sandbox.env = {"TOKEN=x"};
  spec.sandbox.limits.disk_mb = 5;
  spec.sandbox.mounts.push_back({"/home/me/project", "/workspace", sandbox::MountMode::rw});
  spec.sandbox.mounts.push_back({"/home/me/project/.git", "/workspace/.git"});
  spec.sandbox.files.push_back({"/workspace/.git", "gitdir"});
  EXPECT_TRUE(fits(wish(), spec));
}

TEST(WarmFit, WhatIsFixedAtItsMakingHasToBeTheSame) {
  auto const change = [](auto const& apply) {
    auto spec = unit();
    apply(spec);
    return fits(wish(), spec);
  };
  EXPECT_TRUE(change([](WorkloadSpec&) {}));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.image = "other"; }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.agent = "somebody else"; }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.agent.clear(); }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.sandbox.argv.emplace_back("-v"); }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.sandbox.limits.memory_mb.value = 64; }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.sandbox.limits.pids.value = 7; }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.sandbox.limits.cpu_milli.value = 500; }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.sandbox.extra_ro_paths = {"/srv"}; }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.sandbox.tmpfs.pop_back(); }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.sandbox.rootfs = "/srv/root"; }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.sandbox.mounts.clear(); }));
  EXPECT_FALSE(change([](WorkloadSpec& spec) { spec.sandbox.mounts[0].source = "/opt/other"; }));
}

TEST(WarmFit, NothingGoesWhereThereIsNoPlace) {
  auto spec = unit();
  spec.sandbox.mounts.push_back({"/srv/data", "/data"});
  EXPECT_FALSE(fits(wish(), spec));
  spec.sandbox.mounts.back().target = "/workspaces/other";
  EXPECT_FALSE(fits(wish(), spec)) << "a name that only begins with that of a place";
}

TEST(WarmPlan, WhatIsGoneMakesRoom) {
  EXPECT_EQ(plan_warm({{"a", 1}}, {{"one", "a", true}}), (WarmPlan{{"one"}, {"a"}}));
}

TEST(WarmPlan, WhatNobodyWantsGoes) {
  auto const plan = plan_warm({{"a", 1}}, {{"one", "a"}, {"two", "a"}, {"three", "b"}});
  EXPECT_THAT(plan.remove, ElementsAre("two", "three"));
  EXPECT_THAT(plan.start, IsEmpty());
}

TEST(WarmPlan, LeadsToWhatIsWantedAndThenToNothing) {
  std::mt19937 random{7};
  auto const below = [&](unsigned bound) { return static_cast<int>(random() % bound); };
  for (int round = 0; round < 1000; ++round) {
    std::vector<WarmNeed> needs;
    for (int kind = below(4); kind > 0; --kind)
      needs.push_back({std::to_string(kind), below(5)});
    std::vector<WarmHeld> held;
    for (int number = below(12); number > 0; --number)
      held.push_back({"c" + std::to_string(number), std::to_string(below(5)), below(2) == 0});
    auto const plan = plan_warm(needs, held);
    std::erase_if(held, [&](WarmHeld const& one) {
      return std::ranges::find(plan.remove, one.container) != plan.remove.end();
    });
    for (auto const& kind : plan.start)
      held.push_back({"new" + std::to_string(held.size()), kind});
    std::map<std::string, std::int64_t> there;
    for (auto const& one : held) {
      EXPECT_FALSE(one.gone);
      ++there[one.kind];
    }
    for (auto const& need : needs)
      EXPECT_EQ(there[need.kind], need.count);
    EXPECT_EQ(plan_warm(needs, held), WarmPlan{});
  }
}

}  // namespace
}  // namespace drover::runtime
