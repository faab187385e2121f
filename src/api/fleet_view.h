#pragma once
// The fleet as the API tells it. Pure.
#include <optional>
#include <vector>

#include "base/json.h"
#include "fleet/reconciler.h"
#include "fleet/spend.h"

namespace drover::api {

[[nodiscard]] json::object fleet_instance(fleet::InstanceStatus const& status,
                                          std::optional<fleet::Usage> const& usage);
// The instances of one agent, with the state of the one that is worst off.
[[nodiscard]] json::object fleet_agent(std::string const& agent, json::array instances);
[[nodiscard]] json::object fleet_spend(fleet::AgentSpend const& spend);
// What became of each instance, and how many of each.
[[nodiscard]] json::object fleet_summary(fleet::Summary const& summary);

}  // namespace drover::api
