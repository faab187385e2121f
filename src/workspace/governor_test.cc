#include "workspace/governor.h"

#include <gtest/gtest.h>

#include <string>

#include "git/test_repository.h"

namespace drover::workspace {
namespace {

class Govern : public git::testing::RepositoryTest {
 protected:
  void SetUp() override {
    RepositoryTest::SetUp();
    make_repository();
    auto const repository = open();
    change_.checkout.id = WorkspaceId::trusted("project");
    change_.checkout.path = work_;
    change_.checkout.base = *repository.resolve_commit("HEAD");
    change_.session = "ses-1";
    change_.run = "run-1";
    change_.subject = "ada";
    change_.launcher = "schedule:nightly";
    change_.reply = "Tidy up";
    change_.now = when();
  }
  [[nodiscard]] Governed set_aside_cleanly() {
    auto const governed = set_aside(change_);
    EXPECT_TRUE(governed) << governed.error().text();
    return governed ? *governed : Governed{};
  }
  TurnChange change_;
};

TEST_F(Govern, WhatIsSetAsideIsKeptAndTheTreeIsAsItWas) {
  std::string const before = git("rev-parse HEAD");
  write("README", "the agent's\n");
  write("new", "x\n");
  Governed const governed = set_aside_cleanly();
  EXPECT_TRUE(governed.changed);
  EXPECT_EQ(governed.commit.branch, "refs/drover/rescue/run-1");
  EXPECT_EQ(git("rev-parse refs/drover/rescue/run-1"), governed.commit.sha);
  EXPECT_EQ(git("rev-parse HEAD"), before);
  EXPECT_EQ(read("README"), "hello\n");
  expect_clean();
}

// The attempt was cut off before it could say so, and the user goes on meanwhile.
TEST_F(Govern, WhatWasSetAsideBeforeIsFoundAgain) {
  write("new", "x\n");
  Governed const first = set_aside_cleanly();
  write("README", "the user's\n");
  Governed const again = set_aside_cleanly();
  EXPECT_TRUE(again.changed);
  EXPECT_EQ(again.commit.sha, first.commit.sha);
  EXPECT_EQ(again.commit.files, 1);
  EXPECT_EQ(again.parent, first.parent);
  EXPECT_EQ(read("README"), "the user's\n");
}

// Cut off between the reference and the way back.
TEST_F(Govern, ACommitThatIsKeptAndStillTheHeadIsTakenBack) {
  std::string const before = git("rev-parse HEAD");
  write("new", "x\n");
  auto const made = commit_turn(change_);
  ASSERT_TRUE(made) << made.error().text();
  sh("git update-ref refs/drover/rescue/run-1 HEAD");
  Governed const governed = set_aside_cleanly();
  EXPECT_EQ(governed.commit.sha, made->commit.sha);
  EXPECT_EQ(git("rev-parse HEAD"), before);
  expect_clean();
}

// The base is not the head any more, because an attempt before this one has committed.
TEST_F(Govern, ACommitThatWasMadeBeforeIsNotMadeTwice) {
  write("new", "x\n");
  auto const first = commit_turn(change_);
  ASSERT_TRUE(first) << first.error().text();
  auto const again = commit_turn(change_);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->commit.sha, first->commit.sha);
  EXPECT_EQ(git("rev-list --count HEAD"), "2");
}

TEST(CommitSubject, IsTheFirstLineOfTheReply) {
  EXPECT_EQ(commit_subject("Fix the slug\n\nIt dropped digits.", "x"), "Fix the slug");
  EXPECT_EQ(commit_subject("  ## Fix the slug  ", "x"), "Fix the slug");
}

TEST(CommitSubject, IsCutAtAWordOf72Characters) {
  std::string const subject = commit_subject(std::string(60, 'a') + " bbbb cccccccccccccc", "x");
  EXPECT_EQ(subject, std::string(60, 'a') + " bbbb");
  EXPECT_EQ(commit_subject(std::string(100, 'a'), "x"), std::string(72, 'a'));
  std::string umlauts;
  for (int i = 0; i < 100; ++i)
    umlauts += "ü";
  EXPECT_EQ(commit_subject(umlauts, "x").size(), 144U) << "characters, not bytes";
}

TEST(CommitSubject, FallsBackAndNeverIsEmpty) {
  EXPECT_EQ(commit_subject(" \n", "the prompt"), "the prompt");
  EXPECT_EQ(commit_subject("", ""), "drover run");
}

TEST(CommitSubject, HoldsNoControlSequence) {
  EXPECT_EQ(commit_subject("a\x1b]0;title\x07z", "x").find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace drover::workspace
