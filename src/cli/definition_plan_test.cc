#include "cli/definition_plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include <boost/json.hpp>

namespace drover::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

WantedDefinition wanted(std::string const& name, json::object spec = {}) {
  spec["name"] = name;
  return {name, name + ".toml", std::move(spec)};
}

PresentDefinition present(std::string const& name, std::int64_t revision,
                          std::string const& origin = "api", json::object spec = {}) {
  spec["name"] = name;
  return {name, origin, origin == "file" ? "/etc/" + name + ".toml" : "", revision,
          std::move(spec)};
}

std::vector<std::string> told(Result<std::vector<PlannedChange>> const& plan) {
  std::vector<std::string> lines;
  EXPECT_TRUE(plan) << plan.error().text();
  for (PlannedChange const& change : *plan)
    lines.push_back(fmt::format("{} {} {}", word_of(change.act), change.name, change.revision));
  return lines;
}

TEST(DefinitionPlan, SaysWhatWouldBecomeOfEach) {
  std::vector<PresentDefinition> const there = {
      present("default", 0, "built-in"), present("old", 4), present("same", 2),
      present("moved", 7, "api", {{"model", "a"}}), present("filed", 0, "file")};
  std::vector<WantedDefinition> const input = {wanted("same"), wanted("new"), wanted("filed"),
                                               wanted("moved", {{"model", "b"}}),
                                               wanted("default", {{"model", "b"}})};
  EXPECT_THAT(told(plan_apply(Definition::agent, input, there, Prune::no)),
              ElementsAre("changed default 0", "unchanged filed 0", "changed moved 7",
                          "added new 0", "unchanged same 2"));
  EXPECT_THAT(told(plan_apply(Definition::agent, input, there, Prune::yes)),
              ElementsAre("changed default 0", "unchanged filed 0", "changed moved 7",
                          "added new 0", "unchanged same 2", "deleted old 4"));
}

TEST(DefinitionPlan, WhatAFileOfTheServerDefinesIsNotChanged) {
  auto const plan = plan_apply(Definition::agent, {wanted("a", {{"model", "b"}})},
                               {present("a", 0, "file")}, Prune::yes);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::conflict);
  EXPECT_THAT(plan.error().message, HasSubstr("/etc/a.toml"));
  EXPECT_THAT(plan.error().message, HasSubstr("a.toml: "));
}

TEST(DefinitionPlan, TwoOfOneNameAreAnErrorWithBothPlaces) {
  auto first = wanted("a");
  auto second = wanted("a");
  first.place = "one.toml";
  second.place = "many.yaml, agent 3";
  auto const once = check_names(Definition::agent, {first, wanted("b"), second});
  ASSERT_FALSE(once);
  EXPECT_EQ(once.error().message, "one.toml and many.yaml, agent 3 both define the agent a");
}

// Over seeded histories: what is carried out makes the server as the files say, a second apply
// changes nothing, and nothing but what the API stored ever goes.
TEST(DefinitionPlan, CarriedOutItConverges) {
  std::mt19937 random{5};
  for (int round = 0; round < 500; ++round) {
    std::vector<PresentDefinition> there;
    std::vector<WantedDefinition> input;
    for (char const* const name : {"a", "b", "c", "d", "e"}) {
      auto const origin = random() % 4;
      json::object const spec{{"warm", random() % 2}};
      if (origin < 2) there.push_back(present(name, 3, "api", spec));
      if (origin == 2) there.push_back(present(name, 0, "built-in", spec));
      if (random() % 2 == 0) input.push_back(wanted(name, {{"warm", random() % 2}}));
    }
    auto const prune = random() % 2 == 0 ? Prune::yes : Prune::no;
    auto const plan = plan_apply(Definition::agent, input, there, prune).value();
    for (PlannedChange const& change : plan) {
      auto const known = std::ranges::find(there, change.name, &PresentDefinition::name);
      ASSERT_EQ(change.act == PlannedAct::add, known == there.end());
      if (change.act == PlannedAct::remove) {
        ASSERT_EQ(known->origin, "api");
        there.erase(known);
        continue;
      }
      ASSERT_EQ(change.act == PlannedAct::keep, change.changes.empty());
      if (known == there.end())
        there.push_back(present(change.name, 1, "api", change.spec));
      else if (change.act == PlannedAct::change)
        *known = present(change.name, known->revision + 1, "api", change.spec);
    }
    for (WantedDefinition const& one : input)
      ASSERT_EQ(std::ranges::find(there, one.name, &PresentDefinition::name)->spec, one.spec);
    if (prune == Prune::yes)
      for (PresentDefinition const& one : there)
        ASSERT_TRUE(one.origin != "api" ||
                    std::ranges::find(input, one.name, &WantedDefinition::name) != input.end());
    EXPECT_TRUE(changes_nothing(plan_apply(Definition::agent, input, there, prune).value()));
  }
}

}  // namespace
}  // namespace drover::cli
