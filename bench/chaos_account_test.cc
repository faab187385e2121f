#include "chaos_account.h"

#include <gmock/gmock.h>

namespace drover::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kEffects = 3;

// One accepted run with three events and a commit, as it should be.
Account sound() {
  Account account{kEffects};
  account.accepted("key-1", "run-1");
  account.shown("run-1", 1, "first");
  account.listed("run-1");
  account.stored("run-1", 1, "turn-accepted", "first");
  account.stored("run-1", 2, "commit", "second");
  account.stored("run-1", 3, "turn-complete", "third");
  account.ended("run-1", "succeeded");
  account.committed("run-1", "ws-1", kEffects);
  return account;
}

TEST(ChaosAccount, WhatIsWholeHasNoFindings) {
  Account account = sound();
  account.accepted("key-1", "run-1");  // the same answer to the same key
  auto const totals = account.settle();
  EXPECT_EQ(totals.accepted, 1U);
  EXPECT_EQ(totals.finished, 1U);
  EXPECT_EQ(totals.succeeded, 1U);
  EXPECT_EQ(totals.lost + totals.doubled + totals.torn, 0U);
  EXPECT_THAT(totals.findings, IsEmpty());
}

TEST(ChaosAccount, ARunIsLostWithoutATerminalEventAndAlsoWithoutATrace) {
  Account account = sound();
  account.accepted("key-2", "run-2");
  account.stored("run-2", 1, "turn-accepted", "x");
  account.accepted("key-3", "run-3");
  auto const totals = account.settle();
  EXPECT_EQ(totals.accepted, 3U);
  EXPECT_EQ(totals.finished, 1U);
  EXPECT_EQ(totals.lost, 2U);
  EXPECT_THAT(totals.findings, ElementsAre(HasSubstr("run-2"), HasSubstr("run-3")));
}

TEST(ChaosAccount, ACommitThatWasAnnouncedHasToBeThere) {
  Account account{kEffects};
  account.accepted("key-1", "run-1");
  account.stored("run-1", 1, "commit", "x");
  account.stored("run-1", 2, "turn-complete", "y");
  account.ended("run-1", "succeeded");
  EXPECT_EQ(account.settle().lost, 1U);
  account.committed("run-1", "ws-1", 1);
  EXPECT_EQ(account.settle().lost, 0U);
}

TEST(ChaosAccount, ACommitThatTakesOtherFilesAlongIsALoss) {
  Account account{kEffects};
  account.accepted("key-1", "run-1");
  account.stored("run-1", 1, "turn-complete", "y");
  account.committed("run-1", "ws-1", 1, 2);
  EXPECT_EQ(account.settle().lost, 1U);
}

TEST(ChaosAccount, EveryWayToBeTwiceIsFound) {
  Account key = sound();
  key.accepted("key-1", "run-2");
  key.stored("run-2", 1, "turn-complete", "x");
  EXPECT_EQ(key.settle().doubled, 1U);
  Account run = sound();
  run.listed("run-9");
  EXPECT_EQ(run.settle().doubled, 1U);
  Account end = sound();
  end.stored("run-1", 4, "turn-complete", "again");
  EXPECT_EQ(end.settle().doubled, 1U);
  Account commit = sound();
  commit.committed("run-1", "ws-1", 0);
  EXPECT_EQ(commit.settle().doubled, 1U);
  Account effect{kEffects};
  effect.accepted("key-1", "run-1");
  effect.stored("run-1", 1, "turn-complete", "x");
  effect.committed("run-1", "ws-1", kEffects + 1);
  EXPECT_EQ(effect.settle().doubled, 1U);
  Account elsewhere = sound();
  elsewhere.committed("run-1", "ws-2", kEffects);  // another workspace of the same run
  EXPECT_EQ(elsewhere.settle().doubled, 0U);
}

TEST(ChaosAccount, EventsAreTornByAGapByAnotherTextAndByAShownOneThatIsGone) {
  Account gap = sound();
  gap.stored("run-1", 5, "error", "x");
  EXPECT_EQ(gap.settle().torn, 1U);
  Account other = sound();
  other.shown("run-1", 2, "not this");
  EXPECT_EQ(other.settle().torn, 1U);
  Account gone = sound();
  gone.shown("run-1", 4, "was there");
  EXPECT_EQ(gone.settle().torn, 1U);
}

}  // namespace
}  // namespace drover::bench
