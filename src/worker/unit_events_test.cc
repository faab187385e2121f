#include "worker/unit_events.h"

#include <gtest/gtest.h>

#include <string>

namespace drover::worker {
namespace {

RunId const kRun = RunId::trusted("run-1");

ErrorCode refusal(std::string const& body) {
  auto const batch = read_unit_batch(body, kRun, Epoch{2});
  EXPECT_FALSE(batch) << body;
  return batch ? ErrorCode::internal : batch.error().code;
}

TEST(UnitEvents, StampsRunAndEpoch) {
  auto const batch = read_unit_batch(
      R"({"type":"turn-accepted","turn_id":"run-1"})"
      "\n"
      R"({"type":"tool-result","turn_id":"run-1","callId":"c","ok":true,"summary":"","ms":12})"
      "\n\n",
      kRun, Epoch{2});
  ASSERT_TRUE(batch) << batch.error().text();
  ASSERT_EQ(batch->drafts.size(), 2U);
  EXPECT_TRUE(batch->accepted);
  EXPECT_EQ(batch->tool_ms, 12);
  EXPECT_NE(batch->drafts[0].json.find(R"("run":"run-1")"), std::string::npos);
  EXPECT_NE(batch->drafts[0].json.find(R"("epoch":2)"), std::string::npos);
}

TEST(UnitEvents, AUnitCannotPlayTheServer) {
  for (std::string const type : {"state", "usage", "commit", "turn-complete", "rejected", ""})
    EXPECT_EQ(refusal(R"({"type":")" + type + R"(","turn_id":"run-1"})"),
              ErrorCode::invalid_argument);
}

TEST(UnitEvents, AnotherTurnIsAConflict) {
  EXPECT_EQ(refusal(R"({"type":"error","turn_id":"run-2","message":"x"})"), ErrorCode::conflict);
}

TEST(UnitEvents, ReadsTheDoneReportAndNothingBehindIt) {
  std::string const done =
      R"({"type":"done","turn_id":"run-1","ok":false,"reason":"max_turns","reply":"r",)"
      R"("sessionId":"s","turns":3})";
  auto const batch = read_unit_batch(done, kRun, Epoch{1});
  ASSERT_TRUE(batch) << batch.error().text();
  ASSERT_TRUE(batch->done);
  EXPECT_FALSE(batch->done->ok);
  EXPECT_EQ(batch->done->reason, contract::RunReason::max_turns);
  EXPECT_EQ(batch->done->turns, 3);
  EXPECT_EQ(refusal(done + "\n" + R"({"type":"error","turn_id":"run-1","message":"x"})"),
            ErrorCode::invalid_argument);
}

TEST(UnitEvents, TheToolClockIsBounded) {
  auto const batch = read_unit_batch(
      R"({"type":"tool-result","turn_id":"run-1","callId":"c","ok":true,"summary":"","ms":900000000})",
      kRun, Epoch{1});
  ASSERT_TRUE(batch) << batch.error().text();
  EXPECT_EQ(batch->tool_ms, 24LL * 3600 * 1000);
}

TEST(UnitEvents, RefusesGarbageAndTooMuch) {
  EXPECT_EQ(refusal("[]"), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal("{"), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal(std::string(kUnitBatchBytesMax + 1, ' ')), ErrorCode::too_large);
  std::string many;
  for (std::size_t i = 0; i <= kUnitBatchEventsMax; ++i)
    many += R"({"type":"error","turn_id":"run-1","message":"x"})"
            "\n";
  EXPECT_EQ(refusal(many), ErrorCode::too_large);
}

}  // namespace
}  // namespace drover::worker
