#include "contract/run.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include <boost/json.hpp>

#include "contract/schemas.h"
#include "contract/test_examples.h"

namespace drover::contract {
namespace {

template <class E>
std::vector<E> all_values(E last) {
  std::vector<E> out;
  for (int i = 0; i <= static_cast<int>(last); ++i)
    out.push_back(static_cast<E>(i));
  return out;
}

std::set<std::string> names_in_schema(char const* definition) {
  std::set<std::string> out;
  auto const schema = json_of(schema_text(Contract::event));
  for (auto const& name : schema.at("$defs").at(definition).at("enum").as_array())
    out.emplace(name.as_string());
  return out;
}

TEST(Run, NamesRoundTripAndAreThoseOfTheContract) {
  std::set<std::string> states;
  for (RunState const state : all_values(RunState::cancelled)) {
    EXPECT_EQ(parse_run_state(to_string(state)), state);
    states.emplace(to_string(state));
  }
  EXPECT_EQ(states, names_in_schema("runState"));
  std::set<std::string> reasons;
  for (RunReason const reason : all_values(RunReason::internal)) {
    EXPECT_EQ(parse_run_reason(to_string(reason)), reason);
    reasons.emplace(to_string(reason));
  }
  EXPECT_EQ(reasons, names_in_schema("runReason"));
  EXPECT_NE(parse_run_state("done\x1b").error().message.find("known are queued"),
            std::string::npos);
  EXPECT_EQ(parse_run_state("done\x1b").error().message.find('\x1b'), std::string::npos);
}

TEST(Run, TerminalStatesAreFinalAndAlwaysReachable) {
  for (RunState const from : all_values(RunState::cancelled)) {
    for (RunState const to : all_values(RunState::cancelled))
      if (is_terminal(from)) {
        EXPECT_FALSE(can_follow(from, to)) << to_string(from) << " to " << to_string(to);
      }
    if (!is_terminal(from)) {
      EXPECT_TRUE(can_follow(from, RunState::failed));
      EXPECT_TRUE(can_follow(from, RunState::cancelled));
    }
    EXPECT_FALSE(can_follow(from, from)) << to_string(from);
  }
}

TEST(Run, TheOrderOfALifeHolds) {
  EXPECT_TRUE(can_follow(RunState::queued, RunState::claimed));
  EXPECT_TRUE(can_follow(RunState::claimed, RunState::running));
  EXPECT_TRUE(can_follow(RunState::running, RunState::waiting));
  EXPECT_TRUE(can_follow(RunState::waiting, RunState::running));
  EXPECT_TRUE(can_follow(RunState::running, RunState::committing));
  EXPECT_TRUE(can_follow(RunState::committing, RunState::succeeded));
  EXPECT_TRUE(can_follow(RunState::committing, RunState::queued));
  EXPECT_FALSE(can_follow(RunState::queued, RunState::running));
  EXPECT_FALSE(can_follow(RunState::running, RunState::succeeded));  // not without its commit
  EXPECT_FALSE(can_follow(RunState::claimed, RunState::committing));
}

TEST(Run, EveryReasonButAQuestionEndsInATerminalState) {
  for (RunReason const reason : all_values(RunReason::internal))
    EXPECT_EQ(is_terminal(resting_state(reason)), reason != RunReason::waiting_input)
        << to_string(reason);
  EXPECT_EQ(resting_state(RunReason::waiting_input), RunState::waiting);
  EXPECT_EQ(resting_state(RunReason::completed), RunState::succeeded);
  EXPECT_EQ(resting_state(RunReason::cancelled_by_user), RunState::cancelled);
  EXPECT_EQ(resting_state(RunReason::max_turns), RunState::failed);
}

}  // namespace
}  // namespace drover::contract
