#pragma once
// `drover workflow fork`, `rewind`, `export` and `import`: other runs out of a run.
#include "base/error.h"
#include "cli/command_line.h"
#include "cli/context.h"

namespace drover::cli {

// The exit code.
[[nodiscard]] Result<int> copy_workflow(Context const& context, WorkflowCommand const& command);

}  // namespace drover::cli
