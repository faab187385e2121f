#pragma once
// Whether a run can be worked on here: a joined worker needs the run's folders at the same paths as
// the server has them, on a shared disk or the same machine.
#include <map>
#include <string>

#include "base/error.h"
#include "worker/records.h"
#include "worker/services.h"

namespace drover::worker {

// Where files of sessions are that may not write their workspace.
[[nodiscard]] std::string session_root(WorkerOptions const& options);
// The name of the session's unit as a workload: two workers of one machine may each have one.
[[nodiscard]] std::string workload_name(std::string const& unit, WorkerOptions const& options);

// unavailable, with the folder that is missing, or for a third-party worker's runner. The server's
// own worker always passes: a folder that is gone there is gone for good, and the checkout says so.
[[nodiscard]] Status require_folders(SessionRecord const& session,
                                     std::map<WorkspaceId, std::string> const& folders,
                                     WorkerOptions const& options);

}  // namespace drover::worker
