#include "sandbox/probe.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "os/files.h"
#include "os/process.h"
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
  auto left = make(fmt::format("check-{}", gone_pid()));
  if (!is_there(left)) GTEST_SKIP() << "there are no control groups here";
  auto live = make(fmt::format("check-{}", ::getpid()));
  auto other = make(fmt::format("check-{}-x", ::getpid()));
  sweep_probes(launcher());
  EXPECT_FALSE(is_there(left));
  EXPECT_TRUE(is_there(live));
  EXPECT_TRUE(is_there(other));
  EXPECT_TRUE(live.remove(Millis{1000}));
  EXPECT_TRUE(other.remove(Millis{1000}));
}

}  // namespace
}  // namespace drover::sandbox
