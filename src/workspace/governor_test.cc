#include "workspace/governor.h"

#include <gtest/gtest.h>

#include <string>

namespace drover::workspace {
namespace {

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
