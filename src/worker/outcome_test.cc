#include "worker/outcome.h"

#include <gtest/gtest.h>

namespace drover::worker {
namespace {

constexpr std::int64_t kAttemptsMax = 3;

using contract::RunReason;
using contract::RunState;
using Kind = TurnEnd::Kind;

TurnEnd end_of(Kind kind) {
  TurnEnd end;
  end.kind = kind;
  return end;
}

TurnEnd done_with(RunReason reason) {
  TurnEnd end;
  end.reason = reason;
  end.ok = reason == RunReason::completed || reason == RunReason::waiting_input;
  return end;
}

TEST(Outcome, ATurnDoneInOrderIsCommittedAndKeepsItsUnit) {
  Outcome const outcome = decide(done_with(RunReason::completed), 1, kAttemptsMax);
  EXPECT_EQ(outcome.state, RunState::succeeded);
  EXPECT_EQ(outcome.tree, TreeAction::commit);
  EXPECT_TRUE(outcome.keep_unit);
}

TEST(Outcome, ATurnThatAsksIsCommittedAndWaits) {
  TurnEnd end = done_with(RunReason::waiting_input);
  end.detail = "Which one?";
  Outcome const outcome = decide(end, 1, kAttemptsMax);
  EXPECT_EQ(outcome.state, RunState::waiting);
  EXPECT_EQ(outcome.reason, RunReason::waiting_input);
  EXPECT_EQ(outcome.tree, TreeAction::commit);
  EXPECT_EQ(outcome.detail, "Which one?");
  EXPECT_TRUE(outcome.keep_unit);
}

TEST(Outcome, AUnitCannotClaimWhatIsNotItsToSay) {
  for (RunReason const word : {RunReason::timeout, RunReason::cancelled_by_user,
                               RunReason::commit_failed, RunReason::lost})
    EXPECT_EQ(decide(done_with(word), 1, kAttemptsMax).reason, RunReason::unit_failed);
  EXPECT_EQ(decide(done_with(RunReason::max_turns), 1, kAttemptsMax).reason, RunReason::max_turns);
}

TEST(Outcome, NoFailureCommits) {
  for (Kind const kind : {Kind::unit_lost, Kind::out_of_memory, Kind::over_disk, Kind::start_failed,
                          Kind::timed_out, Kind::silent, Kind::cancelled, Kind::server_stops,
                          Kind::no_space, Kind::fenced, Kind::done})
    EXPECT_NE(decide(end_of(kind), kAttemptsMax, kAttemptsMax).tree, TreeAction::commit);
}

// Another attempt is no use here, and none was used up.
TEST(Outcome, ARunWhoseFoldersAreElsewhereWaitsAWhileForAnother) {
  TurnEnd end = end_of(Kind::misplaced);
  end.detail = "not here";
  Outcome const outcome = decide(end, kAttemptsMax, kAttemptsMax);
  EXPECT_EQ(outcome.state, RunState::queued);
  EXPECT_EQ(outcome.tree, TreeAction::leave);
  EXPECT_EQ(outcome.detail, "not here");
  EXPECT_FALSE(outcome.counts);
  EXPECT_GT(outcome.delay, Millis{0});
}

TEST(Outcome, ALostOrSilentUnitIsTriedAgainUntilItsAttemptsAreUsed) {
  for (auto const& [kind, reason] : {std::pair{Kind::unit_lost, RunReason::lost},
                                     std::pair{Kind::silent, RunReason::no_progress},
                                     std::pair{Kind::done, RunReason::session_error}}) {
    for (std::int64_t attempt = 1; attempt < kAttemptsMax; ++attempt) {
      TurnEnd end = end_of(kind);
      end.reason = reason;
      Outcome const again = decide(end, attempt, kAttemptsMax);
      EXPECT_EQ(again.state, RunState::queued);
      EXPECT_EQ(again.reason, reason);
      EXPECT_TRUE(counts_as_attempt(reason));
      EXPECT_EQ(again.tree, TreeAction::leave);
    }
    TurnEnd end = end_of(kind);
    end.reason = reason;
    Outcome const last = decide(end, kAttemptsMax, kAttemptsMax);
    EXPECT_EQ(last.state, RunState::failed);
    EXPECT_EQ(last.reason, reason);
  }
}

TEST(Outcome, AFullDiskCostsNoAttempt) {
  Outcome const again = decide(end_of(Kind::no_space), kAttemptsMax + 1, kAttemptsMax);
  EXPECT_EQ(again.state, RunState::queued);
  EXPECT_EQ(again.tree, TreeAction::leave);
  EXPECT_FALSE(again.counts);
  TurnEnd worked = end_of(Kind::no_space);
  worked.reached_unit = true;
  EXPECT_TRUE(decide(worked, 1, kAttemptsMax).counts) << "the next one goes on with its changes";
  EXPECT_FALSE(counts_as_attempt(again.reason));
  EXPECT_TRUE(decide(end_of(Kind::unit_lost), 1, kAttemptsMax).counts);
}

TEST(Outcome, AFencedAttemptWritesNothing) {
  EXPECT_TRUE(decide(end_of(Kind::fenced), 1, kAttemptsMax).fenced);
  EXPECT_FALSE(decide(end_of(Kind::cancelled), 1, kAttemptsMax).fenced);
}

}  // namespace
}  // namespace drover::worker
