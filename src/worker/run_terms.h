#pragma once
// What a run is told, what limits it has and what it asks of the queue: its invocation's words,
// else its task type's, else its agent's. Pure.
#include <string>

#include "base/time.h"
#include "broker/dispatch_queue.h"
#include "contract/agent.h"
#include "contract/invocation.h"
#include "contract/task_type.h"

namespace drover::worker {

// Runs of a resident agent are for the worker beside its containers: the server's own.
inline constexpr std::string_view kResidentLabel = "drover/residents";
inline constexpr std::string_view kResidentsHere = "here";

struct RunTerms {
  std::string prompt;
  contract::Limits limits;
  // Without the run, and the groups of its session and workspaces. An empty tenant: the session's.
  broker::QueueEntry entry;
};

// The invocation starts a turn. invalid_argument, beginning with /payload, when its payload does
// not fit the type.
[[nodiscard]] Result<RunTerms> terms_of(contract::TaskType const& type,
                                        contract::AgentSpec const& agent,
                                        contract::Invocation const& invocation, WallTime now);
[[nodiscard]] RunTerms terms_of(contract::TaskType const& type, contract::AgentSpec const& agent,
                                contract::Message message, WallTime now);

}  // namespace drover::worker
