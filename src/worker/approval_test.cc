#include "worker/approval.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "store/scratch.h"
#include "worker/proposals.h"

namespace drover::worker {
namespace {

WallTime const kNow = from_unix_ms(1'000);

Approval approval_of(std::string const& name, std::string const& session = "ses-1") {
  Approval approval;
  approval.id = ApprovalId::trusted("apr-" + name);
  approval.run = RunId::trusted("run-" + name);
  approval.session = SessionId::trusted(session);
  approval.title = "Tidy up";
  approval.subject = {{"head", json::string{name}}};
  approval.digest = approval_digest(approval.kind, approval.run, approval.subject);
  approval.created_at = kNow;
  return approval;
}

class Approvals : public ::testing::Test {
 protected:
  Approvals() { EXPECT_TRUE(store::migrate(database, approval_migrations())); }
  Approval find(std::string const& name) {
    return find_approval(database, ApprovalId::trusted("apr-" + name)).value();
  }
  store::Scratch scratch;
  store::Database database = scratch.open();
};

TEST_F(Approvals, OneIsReadAsItWasWritten) {
  auto const written = approval_of("a");
  ASSERT_TRUE(insert_approval(database, written));
  EXPECT_EQ(json::serialize(to_json(find("a"))), json::serialize(to_json(written)));
  EXPECT_EQ(find_approval(database, ApprovalId::trusted("apr-b")).error().code,
            ErrorCode::not_found);
}

TEST_F(Approvals, ADecisionIsMadeOnce) {
  auto approval = approval_of("a");
  ASSERT_TRUE(insert_approval(database, approval));
  approval.state = ApprovalState::rejected;
  approval.decided_at = kNow;
  approval.comment = "not so";
  ASSERT_TRUE(decide_approval(database, approval));
  EXPECT_EQ(find("a").comment, "not so");
  approval.state = ApprovalState::approved;
  auto const again = decide_approval(database, approval);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::conflict);
  EXPECT_EQ(find("a").state, ApprovalState::rejected);
}

TEST_F(Approvals, WhatIsDecidedOnCannotBeExchanged) {
  auto approval = approval_of("a");
  ASSERT_TRUE(insert_approval(database, approval));
  approval.state = ApprovalState::approved;
  approval.digest = approval_of("b").digest;
  EXPECT_FALSE(decide_approval(database, approval));
  EXPECT_EQ(find("a").state, ApprovalState::pending);
}

TEST_F(Approvals, ALaterOneOfTheSessionStandsInItsPlace) {
  ASSERT_TRUE(insert_approval(database, approval_of("a")));
  ASSERT_TRUE(insert_approval(database, approval_of("other", "ses-2")));
  ASSERT_TRUE(insert_approval(database, approval_of("b")));
  EXPECT_EQ(find("a").state, ApprovalState::superseded);
  EXPECT_EQ(find("b").state, ApprovalState::pending);
  EXPECT_EQ(find("other").state, ApprovalState::pending);
  ApprovalFilter filter;
  filter.state = ApprovalState::pending;
  auto const pending = list_approvals(database, filter);
  ASSERT_TRUE(pending);
  ASSERT_EQ(pending->size(), 2U);
  EXPECT_EQ(pending->front().id.str(), "apr-other") << "the highest id is the newest";
  ASSERT_TRUE(drop_approvals(database, SessionId::trusted("ses-2")));
  EXPECT_EQ(find("other").state, ApprovalState::superseded);
}

TEST_F(Approvals, CallsOfToolsStandBesideEachOtherAndHaveADeadline) {
  for (std::string const name : {"a", "b"}) {
    auto call = approval_of(name);
    call.kind = ApprovalKind::tool;
    call.expires_at = from_unix_ms(9'000);
    ASSERT_TRUE(insert_approval(database, call));
  }
  ASSERT_TRUE(insert_approval(database, approval_of("change")));
  EXPECT_EQ(find("a").state, ApprovalState::pending);
  EXPECT_EQ(find("b").state, ApprovalState::pending);
  EXPECT_EQ(find("a").kind, ApprovalKind::tool);
  EXPECT_EQ(find("a").expires_at, from_unix_ms(9'000));
  EXPECT_EQ(find("change").expires_at, std::nullopt);
  ApprovalFilter filter;
  filter.kind = ApprovalKind::tool;
  EXPECT_EQ(list_approvals(database, filter)->size(), 2U);
  auto const of_run = pending_approvals(database, RunId::trusted("run-b"), ApprovalKind::tool);
  ASSERT_EQ(of_run->size(), 1U);
  EXPECT_EQ(of_run->front().id.str(), "apr-b");
  EXPECT_TRUE(
      pending_approvals(database, RunId::trusted("run-change"), ApprovalKind::tool)->empty());
}

RunRecord run_that_committed(std::string const& name, std::string const& parent,
                             std::string const& sha) {
  RunRecord run;
  run.id = RunId::trusted("run-" + name);
  run.session = SessionId::trusted("ses-1");
  run.state = contract::RunState::succeeded;
  CommitRecord commit;
  commit.parent = parent;
  commit.summary.sha = sha;
  commit.summary.subject = "Tidy up";
  run.commits = {commit};
  return run;
}

SessionRecord session_with(contract::WorkspaceMode mode) {
  SessionRecord session;
  session.id = SessionId::trusted("ses-1");
  contract::WorkspaceGrant grant;
  grant.id = WorkspaceId::trusted("app");
  grant.mode = mode;
  session.workspaces = {grant};
  return session;
}

TEST(Proposal, IsTheChangeOfARunThatMayOnlyPropose) {
  auto const run = run_that_committed("1", "base", "head");
  auto const proposing = session_with(contract::WorkspaceMode::propose);
  auto const made = proposal_of(run, proposing, std::nullopt, kNow);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->id.str(), "apr-1");
  EXPECT_EQ(string_or(made->subject, "base", ""), "base");
  EXPECT_EQ(string_or(made->subject, "head", ""), "head");
  EXPECT_FALSE(proposal_of(run, session_with(contract::WorkspaceMode::rw), std::nullopt, kNow));
  auto failed = run;
  failed.state = contract::RunState::failed;
  EXPECT_FALSE(proposal_of(failed, proposing, std::nullopt, kNow));
  auto idle = run;
  idle.commits.clear();
  EXPECT_FALSE(proposal_of(idle, proposing, std::nullopt, kNow));
}

TEST(Proposal, OfALaterTurnTakesTheEarlierOneAlong) {
  auto const proposing = session_with(contract::WorkspaceMode::propose);
  auto const first = proposal_of(run_that_committed("1", "base", "one"), proposing, {}, kNow);
  auto const second = proposal_of(run_that_committed("2", "one", "two"), proposing, first, kNow);
  ASSERT_TRUE(second);
  EXPECT_EQ(string_or(second->subject, "base", ""), "base");
  EXPECT_EQ(string_or(second->subject, "head", ""), "two");
  auto const after = proposal_of(run_that_committed("3", "two", "three"), proposing, {}, kNow);
  EXPECT_EQ(string_or(after->subject, "base", ""), "two") << "what was decided is not asked again";
}

}  // namespace
}  // namespace drover::worker
