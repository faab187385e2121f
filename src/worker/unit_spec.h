#pragma once
// What a unit's sandbox holds: which folders at which places, and which environment. Pure but for
// the shape of the checkouts, which are given.
#include <string>
#include <vector>

#include "base/json.h"
#include "base/secret.h"
#include "contract/agent.h"
#include "contract/invocation.h"
#include "runtime/runtime.h"
#include "worker/records.h"
#include "workspace/checkout.h"

namespace drover::worker {

// Folders inside in which a unit's mounts are, for containers that get them later.
[[nodiscard]] std::vector<std::string> mount_places();

struct UnitPlaces {
  std::string unit_program;    // of the host
  std::string socket_folder;   // of the host; holds unit.sock and goes with the unit
  std::string session_folder;  // of the host; for sessions that may not write their workspace
};

struct UnitIdentity {
  std::string name;
  WorkloadId workload;
  Secret token;
  Millis idle{0};
};

[[nodiscard]] sandbox::Limits sandbox_limits(contract::Limits const& asked);

// The primary workspace is /workspace, the others /workspaces/<id>; `.git` is never writable.
[[nodiscard]] runtime::WorkloadSpec unit_spec(SessionRecord const& session,
                                              std::vector<workspace::CheckedOut> const& checkouts,
                                              contract::AgentSpec const& agent,
                                              contract::Limits const& limits,
                                              UnitIdentity const& identity,
                                              UnitPlaces const& places);

// Containers for units of the agent before it is known of which session, with as many as it asks
// for.
[[nodiscard]] runtime::WarmWish warm_wish(contract::AgentSpec const& agent,
                                          std::string const& unit_program);

// The answer to GET /v1/unit.
[[nodiscard]] json::object unit_description(SessionRecord const& session,
                                            std::vector<workspace::CheckedOut> const& checkouts,
                                            contract::AgentSpec const& agent,
                                            std::string const& unit, std::string const& model,
                                            Millis idle);

}  // namespace drover::worker
