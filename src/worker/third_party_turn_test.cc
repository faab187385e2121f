#include "worker/third_party_turn.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace drover::worker {
namespace {

ThirdPartyTurn turn() {
  return ThirdPartyTurn{RunId::trusted("run-1"), Epoch{2}, "nonce-2"};
}

ErrorCode refusal(ThirdPartyTurn& turn, UnitBatch& batch, std::string const& event) {
  std::size_t const before = batch.drafts.size();
  auto const heard = turn.hear(batch, event);
  EXPECT_FALSE(heard) << event;
  EXPECT_EQ(batch.drafts.size(), before) << event;
  return heard ? ErrorCode::internal : heard.error().code;
}

std::string delta(std::string const& turn_id) {
  return fmt::format(R"({{"type":"message-delta","turn_id":"{}","text":"x"}})", turn_id);
}
std::string accepted(std::string const& turn_id, std::string const& nonce) {
  return fmt::format(R"({{"type":"turn-accepted","turn_id":"{}","nonce":"{}"}})", turn_id, nonce);
}

TEST(ThirdPartyTurn, TakesWordsUnderItsOwnNameAndStampsThem) {
  auto said = turn();
  UnitBatch batch;
  EXPECT_FALSE(said.accepted());
  ASSERT_TRUE(said.hear(batch, delta("run-1.2")));
  EXPECT_TRUE(said.accepted());
  ASSERT_EQ(batch.drafts.size(), 1U);
  EXPECT_NE(batch.drafts[0].json.find(R"("run":"run-1","epoch":2)"), std::string::npos)
      << batch.drafts[0].json;
  EXPECT_NE(batch.drafts[0].json.find(R"("turn_id":"run-1")"), std::string::npos);
}

TEST(ThirdPartyTurn, TakesANameThatTheNonceBroughtAndNoSecondOne) {
  auto said = turn();
  UnitBatch batch;
  EXPECT_EQ(refusal(said, batch, delta("mine")), ErrorCode::conflict);
  EXPECT_EQ(refusal(said, batch, accepted("mine", "nonce-1")), ErrorCode::conflict);
  ASSERT_TRUE(said.hear(batch, accepted("mine", "nonce-2")));
  ASSERT_TRUE(said.hear(batch, delta("mine")));
  // Another program read the same turn.
  EXPECT_EQ(refusal(said, batch, accepted("theirs", "nonce-2")), ErrorCode::conflict);
  EXPECT_EQ(refusal(said, batch, delta("theirs")), ErrorCode::conflict);
  EXPECT_EQ(refusal(said, batch, accepted("run-1.2", "nonce-2")), ErrorCode::conflict);
}

TEST(ThirdPartyTurn, RefusesEarlierAttemptsOtherRunsAndTheServersWords) {
  auto said = turn();
  UnitBatch batch;
  for (std::string const& other : {"run-1.1", "run-1.3", "run-1", "run-2.2", "run-1.2 "})
    EXPECT_EQ(refusal(said, batch, delta(other)), ErrorCode::conflict) << other;
  for (std::string const type : {"state", "usage", "commit", "turn-complete", "limit"})
    EXPECT_EQ(refusal(said, batch, fmt::format(R"({{"type":"{}","turn_id":"run-1.2"}})", type)),
              ErrorCode::invalid_argument);
  for (std::string const member : {R"("epoch":2)", R"("seq":1)", R"("run":"run-1")"})
    EXPECT_EQ(refusal(said, batch,
                      R"({"type":"message-delta","turn_id":"run-1.2","text":"",)" + member + "}"),
              ErrorCode::invalid_argument);
  for (std::string const text : {"", "{", "[]", "null", "{\"type\":7}"})
    EXPECT_EQ(refusal(said, batch, text), ErrorCode::invalid_argument) << text;
  EXPECT_FALSE(said.accepted());
}

TEST(ThirdPartyTurn, NothingFollowsItsDoneEvent) {
  auto said = turn();
  UnitBatch batch;
  ASSERT_TRUE(said.hear(batch, R"({"type":"done","turn_id":"run-1.2","ok":true,"reply":"r",)"
                               R"("sessionId":"s"})"));
  ASSERT_TRUE(batch.done);
  EXPECT_EQ(batch.done->reply, "r");
  EXPECT_EQ(refusal(said, batch, delta("run-1.2")), ErrorCode::invalid_argument);
}

TEST(ThirdPartyTurn, APingIsHeardAndLeavesNothing) {
  auto said = turn();
  UnitBatch batch;
  EXPECT_TRUE(said.hear(batch, R"({"type":"ping"})"));
  EXPECT_FALSE(said.accepted());
  EXPECT_TRUE(said.hear(batch, R"({"type":"ping","turn_id":"run-1.2"})"));
  EXPECT_TRUE(said.accepted());
  EXPECT_TRUE(batch.drafts.empty());
  EXPECT_EQ(refusal(said, batch, R"({"type":"ping","turn_id":"run-1.1"})"), ErrorCode::conflict);
}

TEST(ThirdPartyTurn, TellsOfTheFirstRefusalsAndCountsThemAll) {
  auto said = turn();
  std::size_t told = 0;
  for (std::size_t i = 0; i < 3 * kRefusedTold; ++i)
    if (said.refuse({ErrorCode::invalid_argument, "no", {}})) ++told;
  EXPECT_EQ(told, kRefusedTold);
  EXPECT_EQ(said.refused(), 3 * kRefusedTold);
}

}  // namespace
}  // namespace drover::worker
