#pragma once
// Workflows that a server drives, as the workflow commands use them beside the run directories.
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "cli/command_line.h"
#include "cli/context.h"
#include "workflow/run_folder.h"
#include "workflow/runs_root.h"

namespace drover::cli {

// A new run of --entry, or the run directory that there is; starts a server where none runs. The
// workflow as the API has it.
[[nodiscard]] Result<json::object> start_workflow(Context const& context,
                                                  WorkflowCommand const& command);
[[nodiscard]] Result<json::object> stop_workflow(Context const& context,
                                                 WorkflowCommand const& command);

// Those that the server drives; none where no server runs.
[[nodiscard]] Result<json::array> driven_workflows(Context const& context);
// A run directory, by its name or id. One of the server's too, which is used as any other: its
// driver sees what is written.
[[nodiscard]] Result<workflow::RunFolder> find_run_folder(Context const& context,
                                                          std::string const& run,
                                                          workflow::RunsPlaces const& places);

// After its journal has become another: whether a server drives it on, which takes it up again
// where it had driven it to its end.
[[nodiscard]] Result<bool> goes_on(Context const& context, workflow::RunFolder const& folder);

}  // namespace drover::cli
