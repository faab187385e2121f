#include "workflow/heartbeat.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace drover::workflow {
namespace {

constexpr std::int64_t kAskedMs = 1'790'000'000'000;

Effect effect_of(std::string kind) {
  Effect effect;
  effect.id = "E";
  effect.kind = std::move(kind);
  effect.requested_at = to_rfc3339(from_unix_ms(kAskedMs));
  return effect;
}

json::value const kEverySecond = json::object{{"heartbeatTimeoutMs", 1000}};

TEST(Heartbeat, WhatNobodyHereCarriesOutIsToBeHeardOfSoonAfterItWasAskedFor) {
  auto const effect = effect_of("orchestrator_task");
  EXPECT_EQ(silent_at(effect, kEverySecond, {}), from_unix_ms(kAskedMs + 1000));
  EXPECT_EQ(silent_at(effect, json::object{}, {}), std::nullopt);
  EXPECT_EQ(silent_at(effect, json::object{{"heartbeatTimeoutMs", "soon"}}, {}), std::nullopt);
}

TEST(Heartbeat, EachPutsTheEndOff) {
  Heartbeat const last{from_unix_ms(kAskedMs + 70'000), "half"};
  EXPECT_EQ(silent_at(effect_of("review"), kEverySecond, last), from_unix_ms(kAskedMs + 71'000));
}

TEST(Heartbeat, CommandsAndAgentsAreWatchedByWhoCarriesThemOut) {
  for (auto const* const kind : {"shell", "node", "agent"})
    EXPECT_EQ(silent_at(effect_of(kind), kEverySecond, {}), std::nullopt) << kind;
  // Unless somebody else does, who has said so.
  Heartbeat const first{from_unix_ms(kAskedMs), {}};
  EXPECT_EQ(silent_at(effect_of("shell"), kEverySecond, first), from_unix_ms(kAskedMs + 1000));
}

TEST(Heartbeat, ASilentEffectThrowsWhatWasSaidLast) {
  auto const result = silent_result(Millis{1000}, json::object{{"done", 7}});
  EXPECT_EQ(result.outcome, Outcome::error);
  EXPECT_EQ(result.shell_error, ShellError::thrown);
  EXPECT_EQ(result.error.at("name").as_string(), kHeartbeatErrorName);
  EXPECT_EQ(result.error.at("data").at("heartbeat").at("done"), 7);
}

}  // namespace
}  // namespace drover::workflow
