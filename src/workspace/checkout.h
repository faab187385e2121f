#pragma once
// The folder that a run works in: the workspace itself, or a linked worktree of the session's own.
// Blocks; called on the pool.
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "contract/invocation.h"
#include "git/commit.h"
#include "git/repository.h"

namespace drover::workspace {

struct CheckoutRequest {
  std::string path;  // of the workspace
  contract::WorkspaceGrant grant;
  std::string worktree;  // where the session's worktree is, or is to be; for Checkout::worktree
  std::string branch;    // of that worktree
  std::string session;
  WallTime now;
  // An earlier attempt of this run left its changes in the tree; they are its own.
  bool resumed = false;
};

struct CheckedOut {
  WorkspaceId id;
  contract::WorkspaceMode mode = contract::WorkspaceMode::ro;
  std::string path;           // what is mounted
  std::string git_folder;     // of this work tree
  std::string common_folder;  // of the repository
  bool linked = false;
  git::Oid base;  // HEAD before the run
  std::string branch;
  // Checkout::allow_dirty: what the user had not committed, committed as theirs.
  std::optional<git::CommitOutcome> users_changes;
};

// conflict for a tree with uncommitted changes (unless the grant says what to do with them), a
// merge under way, or a lock left; not_found for a folder or repository that is gone.
[[nodiscard]] Result<CheckedOut> check_out(CheckoutRequest const& request);

// The refusal of a tree with uncommitted changes, with the ways on.
[[nodiscard]] Error uncommitted_changes(std::string const& path, git::TreeStatus const& status);

}  // namespace drover::workspace
