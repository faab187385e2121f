#include "api/fleet_view.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::api {
namespace {

json::value agent_of(std::initializer_list<char const*> states) {
  json::array instances;
  for (char const* const state : states)
    instances.push_back(json::object{{"state", state}});
  return fleet_agent("dev", std::move(instances));
}

TEST(FleetView, AnAgentIsAsItsWorstContainerIs) {
  EXPECT_EQ(agent_of({"running", "failed", "starting"}).at("state"), "failed");
  EXPECT_EQ(agent_of({"running", "stopped"}).at("state"), "running");
  EXPECT_EQ(agent_of({"running", "foreign", "crash_loop"}).at("state"), "foreign");
  EXPECT_EQ(agent_of({}).at("state"), "stopped");
}

}  // namespace
}  // namespace drover::api
