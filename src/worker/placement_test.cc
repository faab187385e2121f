#include "worker/placement.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/id.h"

namespace drover::worker {
namespace {

class Placement : public ::testing::Test {
 protected:
  Placement() {
    std::string pattern = "/tmp/drover-placement-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    options_.joined = true;
    options_.state_folder = root_ + "/own";
    options_.session_folder = root_ + "/sessions";
    session_.workspaces = {
        {WorkspaceId::trusted("app"), contract::WorkspaceMode::rw, contract::Checkout::in_place}};
    folders_[WorkspaceId::trusted("app")] = root_ + "/app";
  }
  ~Placement() override { std::filesystem::remove_all(root_); }
  void make(std::string const& name) { std::filesystem::create_directories(root_ + "/" + name); }
  [[nodiscard]] std::string missing() const {
    auto const here = require_folders(session_, folders_, options_);
    return here ? "" : here.error().message;
  }

  std::string root_;
  WorkerOptions options_;
  SessionRecord session_;
  std::map<WorkspaceId, std::string> folders_;
};

TEST_F(Placement, AWorkspaceHasToBeAtItsPath) {
  EXPECT_EQ(missing(), "the workspace app is not on this worker's machine: " + root_ + "/app");
  make("app");
  EXPECT_EQ(missing(), "");
}

TEST_F(Placement, AWorktreeHasToHaveAFolderToBeIn) {
  make("app");
  session_.worktree = root_ + "/worktrees/ses-1";
  EXPECT_NE(missing().find(root_ + "/worktrees"), std::string::npos);
  make("worktrees");
  EXPECT_EQ(missing(), "");
}

TEST_F(Placement, ASessionThatOnlyReadsNeedsTheServersFolderOfSessions) {
  make("app");
  session_.workspaces.front().mode = contract::WorkspaceMode::ro;
  EXPECT_NE(missing().find(root_ + "/sessions"), std::string::npos);
  make("sessions");
  EXPECT_EQ(missing(), "");
}

TEST_F(Placement, TheServersOwnWorkerIsNotAsked) {
  options_.joined = false;
  EXPECT_EQ(missing(), "");
}

TEST_F(Placement, WorkloadsOfTwoWorkersOfOneMachineHaveTwoNames) {
  WorkerOptions other = options_;
  other.state_folder = root_ + "/other";
  WorkerOptions own = options_;
  own.joined = false;
  std::string const unit(63, 'u');
  EXPECT_EQ(workload_name(unit, own), unit);
  EXPECT_NE(workload_name(unit, options_), workload_name(unit, other));
  EXPECT_NE(workload_name(unit, options_), unit);
  EXPECT_EQ(workload_name(unit, options_), workload_name(unit, options_));
  EXPECT_NE(workload_name(unit, options_), workload_name(unit.substr(1), options_));
  EXPECT_TRUE(is_slug(workload_name(unit, options_)));
}

}  // namespace
}  // namespace drover::worker
