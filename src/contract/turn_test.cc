#include "contract/turn.h"

#include <gtest/gtest.h>

#include "contract/test_examples.h"

namespace drover::contract {
namespace {

TEST(Turn, GoldensRoundTrip) {
  for (auto const& example : examples("event.v1", "valid", "turn")) {
    auto const turn = parse_turn(example.text);
    ASSERT_TRUE(turn.has_value()) << example.name << ": " << turn.error().message;
    EXPECT_EQ(json_of(print(*turn)), json_of(example.text)) << example.name;
  }
  for (auto const& example : examples("event.v1", "invalid", "turn"))
    EXPECT_FALSE(parse_turn(example.text).has_value()) << example.name;
}

TEST(Turn, MessagesCarryTheirRunAndLimits) {
  auto const turn = parse_turn(
      R"({"type":"message","turn_id":"run-1","run":"run-1","epoch":3,"prompt":"hi","model":"m","limits":{"max_turns":5}})");
  auto const* message = std::get_if<MessageTurn>(&*turn);
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->run->str(), "run-1");
  EXPECT_EQ(message->epoch, Epoch{3});
  EXPECT_EQ(message->limits.max_turns, 5);
  EXPECT_FALSE(message->limits.timeout_s.has_value());
}

}  // namespace
}  // namespace drover::contract
