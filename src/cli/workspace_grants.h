#pragma once
// The folders and ids that a person names with -w as workspaces of the server.
#include <vector>

#include "base/error.h"
#include "cli/api_client.h"
#include "cli/command_line.h"
#include "cli/dispatch.h"

namespace drover::cli {

// Registers folders that are none yet. The current folder where none is named.
[[nodiscard]] Result<std::vector<GrantedWorkspace>> open_workspaces(ApiClient& client,
                                                                    RunCommand const& command);

}  // namespace drover::cli
