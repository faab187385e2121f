#pragma once
// Changes that wait for a person: of a workspace that is granted `propose` the turn's commits stay
// on the session's branch, and an approval is opened with the end of the run. Approved, the branch
// is merged into what the workspace has checked out; rejected, branch and worktree go back, and the
// commits are kept under refs/drover/rescue/<run>.
//
// On the event loop.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/stream.h"
#include "store/writer.h"
#include "worker/approval.h"
#include "worker/services.h"
#include "worker/workforce.h"

namespace drover::worker {

// What the run proposes; nullopt where it proposes nothing. `before` is the session's pending
// proposal, which this one takes along. Pure.
[[nodiscard]] std::optional<Approval> proposal_of(RunRecord const& run,
                                                  SessionRecord const& session,
                                                  std::optional<Approval> const& before,
                                                  WallTime now);

// With the end of the run: the approval, and its event in `events`.
[[nodiscard]] Status open_proposal(store::Transaction& transaction, RunRecord const& run,
                                   SessionRecord const& session, WallTime now,
                                   std::vector<broker::EventDraft>& events);

enum class Decision : std::uint8_t { approve, reject };

class Proposals {
 public:
  Proposals(Services const& services, Workforce& workforce)
      : services_(services), workforce_(workforce) {}

  // Carried out first, then recorded: one that was cut off is repeated. conflict when it is decided
  // already, the session is at work, or the change cannot be merged; it is pending then.
  Task<Result<Approval>> decide(ApprovalId id, Decision decision, std::string comment);

 private:
  Task<Status> carry_out(Approval approval, Decision decision);

  Services const& services_;
  Workforce& workforce_;
  std::set<ApprovalId> under_way_;
};

}  // namespace drover::worker
