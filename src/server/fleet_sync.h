#pragma once
// The reconciler once, without a server: before one starts, for instance.
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace drover::server {

// Of the containers alone: what the process backend has ends with its server, which starts it
// itself. `agent` empty: all. The answer is that of POST /api/v1/fleet/sync. conflict where a
// server uses the folder: ask that one. Blocks.
[[nodiscard]] Result<json::object> sync_fleet(std::string const& state_folder,
                                              std::string const& agent);

}  // namespace drover::server
