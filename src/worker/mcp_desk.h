#pragma once
// `/mcp/NAME` of a unit: the tools of an MCP server outside, as far as the unit's agent has them.
// Each call is on disk before it is made, and one that a person has to allow waits for that.
//
// On the event loop. Life: any number of serve(), stop().
#include <memory>
#include <string>

#include "base/error.h"
#include "contract/event.h"
#include "gateway/mcp_broker.h"
#include "gateway/mcp_endpoint.h"
#include "net/http_server.h"
#include "os/task_group.h"
#include "worker/hand_over.h"
#include "worker/services.h"
#include "worker/tool_approvals.h"
#include "worker/turn.h"

namespace drover::worker {

// While it lives, the unit's silence is no fault of its own.
class McpOpen {
 public:
  explicit McpOpen(TurnPtr turn) : turn_(std::move(turn)) {
    ++turn_->mcp_open;
    turn_->changed.notify();
  }
  ~McpOpen() {
    --turn_->mcp_open;
    turn_->heard_at = std::chrono::steady_clock::now();
    turn_->changed.notify();
  }
  McpOpen(McpOpen const&) = delete;
  McpOpen& operator=(McpOpen const&) = delete;

 private:
  TurnPtr turn_;
};

class McpDesk {
 public:
  static constexpr std::int64_t kCallsMax = 10'000;  // of one turn; each is an event
  static constexpr std::int64_t kOpenMax = 32;       // of these, at once

  McpDesk(Services const& services, gateway::McpBroker& broker, ToolApprovals& approvals,
          HandOvers& hand_overs);

  // Answers one request. forbidden where the agent has no such server; what is wrong beyond that
  // is said as MCP says it.
  Task<Status> serve(TurnPtr turn, net::HttpRequest request, net::HttpReply& reply);
  // There is nothing to be had by GET, and no session to be ended.
  static Task<Status> refuse_method(net::HttpReply& reply);
  // Returns when no call is under way any more; after those who asked are gone.
  Task<void> stop();

 private:
  struct Work;
  using WorkPtr = std::shared_ptr<Work>;  // shared by the request and the call

  Task<void> carry_out(WorkPtr work);
  Task<std::string> list(WorkPtr work);
  Task<std::string> call(WorkPtr work);
  Task<std::string> call_allowed(WorkPtr work, contract::McpCallNote note);
  // Empty where a person allows it; else the answer.
  Task<Result<std::string>> ask_person(WorkPtr work, contract::McpCallNote& note);
  // An answer of the server's, or of drover's own tools.
  Task<Result<gateway::RpcMessage>> ask_server(WorkPtr work, std::string tool);
  Task<Status> note(TurnPtr turn, contract::McpCallNote note);
  Task<Status> await_answer(WorkPtr work, bool stream, net::HttpReply& reply);

  Services const& services_;
  gateway::McpBroker& broker_;
  ToolApprovals& approvals_;
  HandOvers& hand_overs_;
  os::TaskGroup tasks_;
};

}  // namespace drover::worker
