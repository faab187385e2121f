#include "sandbox/probe.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "os/files.h"
#include "os/process.h"
#include "sandbox/passing_id.h"
#include "sandbox/testing.h"

namespace drover::sandbox {
namespace {

TEST(Probe, SaysOfEveryLayerByWhatItIsEnforcedOrHowToGetIt) {
  TemporaryFolder folder;
  auto const layers = probe(launcher(), {folder.path()});
  std::map<std::string, Layer> by_name;
  for (auto const& layer : layers) {
    by_name[layer.name] = layer;
    EXPECT_FALSE(layer.how.empty()) << layer.name;
    EXPECT_EQ(layer.state == LayerState::enforced, layer.fix.empty()) << layer.name << layer.fix;
  }
  for (std::string const name :
       {"namespaces", "mounts", "network", "uids", "seccomp", "disk", "inodes", "landlock",
        "ownership", "memory", "pids", "cpu", "freeze", "kill", "git"})
    EXPECT_TRUE(by_name.contains(name)) << name;
  EXPECT_EQ(LayerState::enforced, by_name["namespaces"].state) << by_name["namespaces"].how;
  // What the probe says of memory is what a launch does.
  auto spec = script_spec("true");
  spec.limits.memory_mb = {64, LimitOrigin::asked};
  EXPECT_EQ(by_name["memory"].state == LayerState::enforced, launcher().launch(spec).has_value());
}

// A pid that was a process's a moment ago.
pid_t gone_pid() {
  os::ProcessSpec spec;
  spec.argv = {"/bin/true"};
  auto process = os::Process::spawn(spec);
  EXPECT_TRUE(process && process->wait(Millis{10'000}));
  return process->pid();
}

TEST(Probe, AnIdNamesItsOwnerAndNothingElseDoes) {
  PassingOwner const owner{12, 4026531836};
  EXPECT_EQ(passing_id("probe-", owner), "probe-12-4026531836");
  EXPECT_EQ(owner_of("probe-12-4026531836", "probe-"), owner);
  EXPECT_EQ(owner_of("probe-12-4026531836-7", "probe-"), owner);
  for (auto const* const other : {"probe-", "probe-12", "probe-12-", "probe-x-1", "probe-12-1x",
                                  "probe-0-1", "probe--1-1", "check-12-1", "resident-12-1"})
    EXPECT_EQ(owner_of(other, "probe-"), std::nullopt) << other;
}

TEST(Probe, WhatAKilledProcessLeftOfItsTryIsSweptAndNothingElse) {
  auto const& host = launcher().cgroups();
  auto const make = [&](std::string const& id) {
    auto group = os::Cgroup::create(host, cgroup_name(id), {});
    EXPECT_TRUE(group) << group.error().text();
    return *std::move(group);
  };
  auto const is_there = [](os::Cgroup const& group) {
    return std::ranges::any_of(group.folders(),
                               [](std::string const& folder) { return os::exists(folder); });
  };
  auto const own = passing_owner();
  auto left = make(passing_id("check-", {gone_pid(), own.pid_namespace}));
  if (!is_there(left)) GTEST_SKIP() << "there are no control groups here";
  auto live = make(passing_id("check-", own));
  auto other = make(passing_id("check-", own) + "-x");
  // In another pid namespace the number may well be somebody's.
  auto elsewhere = make(passing_id("check-", {gone_pid(), own.pid_namespace + 1}));
  sweep_probes(launcher());
  EXPECT_FALSE(is_there(left));
  EXPECT_TRUE(is_there(live));
  EXPECT_TRUE(is_there(other));
  EXPECT_TRUE(is_there(elsewhere));
  EXPECT_TRUE(elsewhere.remove(Millis{1000}));
  EXPECT_TRUE(live.remove(Millis{1000}));
  EXPECT_TRUE(other.remove(Millis{1000}));
}

}  // namespace
}  // namespace drover::sandbox
