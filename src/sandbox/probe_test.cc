#include "sandbox/probe.h"

#include <gtest/gtest.h>

#include "sandbox/testing.h"

namespace drover::sandbox {
namespace {

TEST(Probe, SaysOfEveryLayerByWhatItIsEnforcedOrHowToGetIt) {
  auto const layers = probe(launcher());
  std::map<std::string, Layer> by_name;
  for (auto const& layer : layers) {
    by_name[layer.name] = layer;
    EXPECT_FALSE(layer.how.empty()) << layer.name;
    EXPECT_EQ(layer.state == LayerState::enforced, layer.fix.empty()) << layer.name << layer.fix;
  }
  for (std::string const name : {"namespaces", "seccomp", "landlock", "ownership", "memory", "pids",
                                 "cpu", "freeze", "kill"})
    EXPECT_TRUE(by_name.contains(name)) << name;
  EXPECT_EQ(LayerState::enforced, by_name["namespaces"].state) << by_name["namespaces"].how;
  // What the probe says of memory is what a launch does.
  auto spec = script_spec("true");
  spec.limits.memory_mb = {64, LimitOrigin::asked};
  EXPECT_EQ(by_name["memory"].state == LayerState::enforced, launcher().launch(spec).has_value());
}

}  // namespace
}  // namespace drover::sandbox
