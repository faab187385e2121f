#pragma once
// The parts of a run's and a session's record that are JSON, in the store and between a server and
// its workers. Pure. What is parsed may come from anywhere.
#include <vector>

#include "base/json.h"
#include "worker/records.h"

namespace drover::worker {

[[nodiscard]] json::array print(std::vector<contract::WorkspaceGrant> const& grants);
[[nodiscard]] Result<std::vector<contract::WorkspaceGrant>> parse_grants(json::value const& value);
// The summaries as everybody sees them, each with its parent, which a diff starts from.
[[nodiscard]] json::array print(std::vector<CommitRecord> const& commits);
[[nodiscard]] Result<std::vector<CommitRecord>> parse_commits(json::value const& value);

}  // namespace drover::worker
