#include "fleet/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::fleet {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

BootTime at(int second) {
  return BootTime{seconds{1000 + second}};
}

Seen up_since(int second) {
  Seen seen;
  seen.wanted = true;
  seen.phase = Phase::running;
  seen.came = at(second);
  return seen;
}

TEST(Health, AProgramIsStartingUntilItIsHeardAndUnhealthyWhenItIsNot) {
  auto seen = up_since(0);
  EXPECT_EQ(judge(seen, at(29)).state, State::starting);
  EXPECT_EQ(judge(seen, at(30)).state, State::unhealthy);
  seen.heartbeat = at(30);
  EXPECT_EQ(judge(seen, at(59)).state, State::running);
  auto const silent = judge(seen, at(60));
  EXPECT_EQ(silent.state, State::unhealthy);
  EXPECT_THAT(silent.reason, HasSubstr("30 s"));
}

TEST(Health, OneThatEndsAgainAndAgainIsALoopUntilItRunsCalmly) {
  auto seen = up_since(0);
  for (int end = 1; end <= 3; ++end) {
    EXPECT_NE(judge(seen, at(end)).state, State::crash_loop);
    EXPECT_EQ(note_end(seen, at(end)), Run::brief);
    seen.came = at(end);
  }
  EXPECT_EQ(judge(seen, at(4)).state, State::crash_loop);
  seen.heartbeat = at(60);
  EXPECT_EQ(judge(seen, at(62)).state, State::crash_loop);
  seen.heartbeat = at(62);
  EXPECT_EQ(judge(seen, at(63)).state, State::running);
  EXPECT_EQ(note_end(seen, at(64)), Run::calm);
  EXPECT_EQ(seen.ends.size(), 0U);
}

TEST(Health, ALoopSaysHowItsProgramEnded) {
  auto seen = up_since(0);
  for (int end = 1; end <= 3; ++end) {
    seen.came = at(end);
    note_end(seen, at(end), {.exit_code = 3, .out_of_memory = false});
  }
  EXPECT_THAT(judge(seen, at(4)).reason, HasSubstr("3 times"));
  EXPECT_THAT(judge(seen, at(4)).reason, HasSubstr("exit status 3"));
  note_end(seen, at(5), {.exit_code = 137, .out_of_memory = true});
  EXPECT_THAT(judge(seen, at(6)).reason, HasSubstr("signal 9"));
  EXPECT_THAT(judge(seen, at(6)).reason, HasSubstr("memory ran out"));
}

TEST(Health, WhatItsEngineStartsAgainAndAgainIsALoopToAServerThatHasJustBegun) {
  Seen seen;
  seen.wanted = true;
  seen.phase = Phase::restarting;
  seen.engine_restarts = 2;
  EXPECT_EQ(judge(seen, at(0)).state, State::starting);
  seen.engine_restarts = 41;
  EXPECT_EQ(judge(seen, at(0)).state, State::crash_loop);
  EXPECT_THAT(judge(seen, at(0)).reason, HasSubstr("41 times"));
}

TEST(Health, EndsLongAgoAreNoLoop) {
  auto seen = up_since(0);
  for (int end = 1; end <= 3; ++end)
    note_end(seen, at(end));
  seen.phase = Phase::running;
  seen.came = at(605);
  EXPECT_EQ(judge(seen, at(606)).state, State::starting);
}

TEST(Health, WhatIsInTheWayIsSaid) {
  Seen seen;
  seen.wanted = true;
  seen.failure = Error{ErrorCode::not_found, "the image is not here", "pull it"};
  EXPECT_EQ(judge(seen, at(0)).state, State::failed);
  EXPECT_THAT(judge(seen, at(0)).reason, HasSubstr("pull it"));
  seen.foreign = true;
  EXPECT_EQ(judge(seen, at(0)).state, State::foreign);
  auto runs = up_since(0);
  runs.heartbeat = at(1);
  runs.failure = seen.failure;
  EXPECT_EQ(judge(runs, at(2)).state, State::running) << "the one before a roll that failed";
  EXPECT_THAT(judge(runs, at(2)).reason, HasSubstr("image"));
}

TEST(Health, OneThatNobodyWantsIsStopped) {
  Seen seen;
  EXPECT_EQ(judge(seen, at(0)).state, State::stopped);
}

}  // namespace
}  // namespace drover::fleet
