#pragma once
// What a worker asks of whoever holds the store: the claims, the durable steps of its runs, and
// their model calls. `store_control.h` answers beside the store; `remote_control.h` asks a server
// for it over HTTP. The supervisor does not know which of the two it has.
//
// On the event loop. Every step names the claim it is made under; conflict ("fenced") when that is
// over, and then nothing was written.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/dispatch_queue.h"
#include "broker/stream.h"
#include "contract/agent.h"
#include "gateway/model_proxy.h"
#include "net/http_server.h"
#include "os/blocking_pool.h"
#include "worker/records.h"
#include "worker/turn.h"

namespace drover::worker {

struct ClaimWish {
  WorkerId worker;
  broker::ClaimFilter filter;
  Millis lease{0};
  Millis wait{0};  // for something to claim
  std::size_t runs_max = 1;
  std::optional<broker::OfferedRun> only{};  // this one, now or not at all
};

// All that is needed to work on a claimed run.
struct Assignment {
  broker::Claim claim;
  RunRecord run;
  SessionRecord session;
  std::map<WorkspaceId, std::string> folders;  // of the session's workspaces that are known
  Result<gateway::ReadyModel> model;           // or why it cannot be called
  Result<contract::AgentSpec> agent;           // as it is now, or that it is gone
  bool served_last = false;                    // the session's last turn was this worker's
  bool interactive = false;                    // somebody waits for its answer
};

// What a step may write to when the disk is full.
enum class Room : std::uint8_t {
  of_work,  // nothing: no_space, and the step is tried again later
  of_ends,  // the reserve: it ends what has begun
};

// The run as it is from here on, and what happened before it came to that.
struct Step {
  broker::Claim claim;
  RunRecord run;
  contract::RunState from = contract::RunState::queued;
  std::vector<broker::EventDraft> events;
};

struct PutBack {
  Step step;
  std::optional<broker::Failure> failure;  // nullopt: no attempt was used
  Millis delay{0};                         // without a failure: not before
};

class Control {
 public:
  virtual ~Control() = default;

  // Empty when nothing came up within the wait, or after close_claims().
  virtual Task<Result<std::vector<broker::Claim>>> claim(ClaimWish wish) = 0;
  // A claim() that waits, and each later one, finds nothing.
  virtual void close_claims() = 0;
  // Once for each claim.
  virtual Task<Result<Assignment>> take(broker::Claim claim) = 0;
  // For another lease. Returns the runs whose claim is over.
  virtual Task<Result<std::vector<RunId>>> renew(std::vector<broker::Claim> claims,
                                                 Millis lease) = 0;

  // A process of its own works on the claim from here on: it makes the steps, and renews it.
  virtual void hand_over(RunId const& run) = 0;
  // Whoever worked on the claim is dead: as if its lease had run out.
  virtual Task<Status> lose(broker::Claim claim) = 0;

  // Events alone; the run's row stays.
  virtual Task<Status> append(Step step, Room room) = 0;
  // The run's row, the event of its change of state, and `step.events`.
  virtual Task<Status> record(Step step, Room room) = 0;
  // The end of the turn, with the session; the claim is over. A run that asks its user waits.
  virtual Task<Status> finish(Step step, SessionRecord session) = 0;
  // The run waits again, and the claim is over.
  virtual Task<Status> put_back(PutBack back) = 0;

  // One call of the unit's model, answered, metered and recorded. conflict when the turn is over.
  virtual Task<Status> serve_model(TurnPtr turn, net::HttpRequest request,
                                   net::HttpReply& reply) = 0;
  // One message of the unit to an MCP server of its agent, `/mcp/NAME`. conflict when the turn is
  // over.
  virtual Task<Status> serve_mcp(TurnPtr turn, net::HttpRequest request, net::HttpReply& reply) = 0;
};

}  // namespace drover::worker
