#pragma once
// What becomes of a turn's changes, outside the sandbox and while nothing in it moves: a commit on
// the workspace's branch, or, when the turn failed, a rescue ref and the tree as it was before.
// Blocks; called on the pool.
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "contract/event.h"
#include "git/commit.h"
#include "workspace/checkout.h"

namespace drover::workspace {

struct TurnChange {
  CheckedOut checkout;
  std::string session;
  std::string run;
  std::string model;
  std::string subject;  // of whom the run is
  std::string launcher;
  std::string reply;     // its first line becomes the commit's subject
  std::string fallback;  // where the reply is empty
  WallTime now;
};

struct Governed {
  bool changed = false;
  contract::CommitSummary commit;  // where changed
  std::string parent;
  std::vector<std::string> left_out;  // a sentence for each path that no commit may hold
};

// Commits what the turn changed. A crash between the commit and its record is no reason to commit
// twice: a HEAD that carries this run's trailer is the turn's commit.
[[nodiscard]] Result<Governed> commit_turn(TurnChange const& change);

// Keeps what the turn changed as the commit refs/drover/rescue/<run> and gives the tree back as it
// was. `commit.branch` names the ref.
[[nodiscard]] Result<Governed> set_aside(TurnChange const& change);

// At most 72 characters of the first line; cut at a word.
[[nodiscard]] std::string commit_subject(std::string_view reply, std::string_view fallback);

}  // namespace drover::workspace
