#pragma once
// The tools that drover itself offers to units, as an MCP server of its own name: `hand_over`, by
// which an agent gives work to another one of `hands_to`. What it hands on is a run of that agent
// in a session of its own, over the same workspaces with the same rights; it begins once the
// workspace is free, which is when the turn that handed it on has been committed.
//
// Work that is handed on and on ends after kHandOversMax agents: nobody watches two that go round
// in circles.
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "contract/agent.h"
#include "worker/dispatcher.h"
#include "worker/records.h"
#include "worker/services.h"

namespace drover::worker {

inline constexpr std::string_view kHandOverTool = "hand_over";
inline constexpr int kHandOversMax = 16;

// Whether the agent has tools of drover's own, and which, as MCP lists them.
[[nodiscard]] bool has_own_tools(contract::AgentSpec const& agent);
[[nodiscard]] json::array own_tools(contract::AgentSpec const& agent);
// Who approves calls of these is said under this server's name, as for any other.
[[nodiscard]] contract::McpGrant own_grant(contract::AgentSpec const& agent);

struct HandOver {
  std::string agent;
  std::string prompt;
};
// invalid_argument in words for the model.
[[nodiscard]] Result<HandOver> parse_hand_over(json::object const& arguments,
                                               contract::AgentSpec const& agent);
// The same words of the same run are one piece of work, however often they are said.
[[nodiscard]] contract::Invocation invocation_of(HandOver const& work, RunRecord const& run,
                                                 SessionRecord const& session);
// The run that handed on the one with this key; nullopt: nobody did.
[[nodiscard]] std::optional<RunId> handed_on_by(std::string_view idempotency_key);

class HandOvers {
 public:
  HandOvers(Services const& services, Dispatcher& dispatcher)
      : services_(services), dispatcher_(dispatcher) {}

  // What the model is told. Errors are for it too.
  Task<Result<std::string>> hand_over(RunRecord run, contract::AgentSpec agent,
                                      json::object arguments);

 private:
  Services const& services_;
  Dispatcher& dispatcher_;
};

}  // namespace drover::worker
