#pragma once
// Which Host runs the process of a run: Node, or this program.
#include <memory>

#include "base/error.h"
#include "workflow/host.h"
#include "workflow/host_process.h"
#include "workflow/open_run.h"

namespace drover::workflow {

// Whether it takes a Node, a process of its own.
[[nodiscard]] bool runs_in_node(Entrypoint const& entry);

[[nodiscard]] Result<std::unique_ptr<Host>> start_host(OpenRun const& run, HostSpec const& spec);

}  // namespace drover::workflow
