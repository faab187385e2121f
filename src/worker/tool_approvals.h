#pragma once
// Calls of tools that a person has to allow, each one anew. The call waits, with its run's turn,
// until it is decided, its time is over, or nobody waits for it any more; all but "approved" is no.
// An approval is for what its digest says and for the one call that asked: it is never looked up
// again, so there is nothing to use twice, and none outlives the attempt that asked.
//
// On the event loop.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/stream.h"
#include "gateway/mcp_link.h"
#include "store/writer.h"
#include "worker/approval.h"
#include "worker/proposals.h"
#include "worker/services.h"
#include "worker/turn.h"

namespace drover::worker {

struct GatedCall {
  std::string server;
  std::string tool;
  json::object arguments;
};

// What a person decides on: the call with its arguments, of this run, in these workspaces. Pure.
[[nodiscard]] Approval tool_approval(ApprovalId id, GatedCall const& call, RunRecord const& run,
                                     WallTime now, Millis within);

// With the end of an attempt, and before the next: what the run still asks is no longer asked.
[[nodiscard]] Status expire_calls(store::Transaction& transaction, broker::OutputStreams& streams,
                                  RunId const& run, WallTime now);

class ToolApprovals {
 public:
  explicit ToolApprovals(Services const& services) : services_(services) {}

  // The approval as it was decided: approved, rejected or expired. conflict when the attempt is
  // over before it could be asked.
  Task<Result<Approval>> ask(TurnPtr turn, GatedCall call, Millis within,
                             gateway::McpCancelPtr cancel);
  // conflict when it is decided already, its time is over, or nothing waits for it any more.
  Task<Result<Approval>> decide(ApprovalId id, Decision decision, std::string comment);
  // At the start of the server: the calls that asked ended with the one before it.
  Task<Status> expire_all();

 private:
  struct Wait {
    TurnPtr turn;
    std::optional<Approval> decided;
  };
  Task<Result<Approval>> close(Approval approval, ApprovalState state, std::string why);

  Services const& services_;
  std::map<ApprovalId, std::shared_ptr<Wait>> waiting_;  // shared with the call that waits
};

}  // namespace drover::worker
