#include "driver/driver_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::driver {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

workflow::NextAction action(std::string id, std::string kind,
                            json::value definition = json::object{}) {
  workflow::Effect effect;
  effect.id = std::move(id);
  effect.kind = std::move(kind);
  return {std::move(effect), std::move(definition)};
}

std::vector<std::string> begun(RestPlan const& plan) {
  std::vector<std::string> ids;
  for (auto const& each : plan.begin)
    ids.push_back(each.effect.id);
  return ids;
}

TEST(DriverPlan, WhatSomebodyHereCarriesOutIsBegunOnce) {
  workflow::Iterated rest;
  rest.actions = {action("a", "agent"), action("b", "breakpoint"), action("c", "agent"),
                  action("s", "shell"), action("o", "orchestrator_task")};
  std::vector<Carrier> const carriers = {Carrier::agent};
  EXPECT_THAT(begun(plan_rest(rest, {}, carriers)), ElementsAre("a", "c"));
  EXPECT_THAT(begun(plan_rest(rest, {{"a", Carrier::agent}}, carriers)), ElementsAre("c"));
}

TEST(DriverPlan, WhatNobodyWaitsForIsStopped) {
  workflow::Iterated rest;
  rest.actions = {action("a", "agent")};
  std::map<std::string, Carrier> const at_work = {
      {"a", Carrier::agent}, {"b", Carrier::agent}, {"c", Carrier::command}};
  EXPECT_THAT(plan_rest(rest, at_work, {Carrier::agent}).stop, ElementsAre("b", "c"));
  rest.state = workflow::IterateState::failed;
  rest.actions.clear();
  EXPECT_THAT(plan_rest(rest, at_work, {Carrier::agent}).stop, ElementsAre("a", "b", "c"));
}

TEST(DriverPlan, TheNextTimerWakesIt) {
  workflow::Iterated rest;
  rest.actions = {
      action("x", "sleep", json::object{{"sleep", json::object{{"targetEpochMs", 5000}}}}),
      action("y", "sleep", json::object{{"sleep", json::object{{"targetEpochMs", 3000}}}}),
      action("z", "signal")};
  auto const plan = plan_rest(rest, {}, {Carrier::agent});
  EXPECT_EQ(plan.wake, from_unix_ms(3000));
  EXPECT_THAT(plan.begin, IsEmpty());
  rest.actions = {action("z", "signal")};
  EXPECT_EQ(plan_rest(rest, {}, {}).wake, std::nullopt);
}

TEST(DriverPlan, FailuresAreTriedAgainLaterAndLater) {
  EXPECT_EQ(wait_after_failure(1), Millis{1'000});
  EXPECT_EQ(wait_after_failure(2), Millis{2'000});
  for (unsigned n = 1; n < 100; ++n) {
    EXPECT_LE(wait_after_failure(n), wait_after_failure(n + 1));
    EXPECT_LE(wait_after_failure(n), Millis{300'000});
  }
}

}  // namespace
}  // namespace drover::driver
