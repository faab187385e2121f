#pragma once
// What a unit's program is told by its environment, whoever starts it. Each variable has drover's
// name, DROVER_…, and as its twin the one of the original contract, VEXA_…. Pure.
#include <string>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "base/time.h"
#include "contract/workspace.h"
#include "worker/records.h"

namespace drover::worker {

struct UnitFacts {
  std::string unit;
  Secret token;
  Millis idle{0};
  std::vector<contract::Mount> mounts;  // where the program finds the session's workspaces
};

using Environment = std::vector<std::pair<std::string, std::string>>;  // names and values

[[nodiscard]] Environment unit_environment(SessionRecord const& session, UnitFacts const& facts);

}  // namespace drover::worker
