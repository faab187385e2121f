#pragma once
// Workflows that a server drives, as the workflow commands use them beside the run directories.
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "cli/command_line.h"
#include "cli/context.h"

namespace drover::cli {

// A new run of --entry, or the run directory that there is; starts a server where none runs. The
// workflow as the API has it.
[[nodiscard]] Result<json::object> start_workflow(Context const& context,
                                                  WorkflowCommand const& command);
[[nodiscard]] Result<json::object> stop_workflow(Context const& context,
                                                 WorkflowCommand const& command);

// Those that the server drives; none where no server runs.
[[nodiscard]] Result<json::array> driven_workflows(Context const& context);
// The run directory of one of them; empty: there is none, or no server.
[[nodiscard]] Result<std::string> driven_folder(Context const& context, std::string const& id);

}  // namespace drover::cli
