#pragma once
// What the workflow commands share: where runs are, which Node runs processes, and values that are
// given inline, in files or on stdin.
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "cli/context.h"
#include "driver/command_pool.h"
#include "driver/host_sandbox.h"
#include "workflow/host_process.h"
#include "workflow/runs_root.h"

namespace drover::cli {

[[nodiscard]] workflow::RunsPlaces runs_places(Context const& context, std::string const& runs_dir);
// How processes run: `wall` is what the command's own flag says, nullopt the environment.
[[nodiscard]] Result<workflow::HostSpec> host_spec(Context const& context,
                                                   std::optional<driver::HostWall> wall = {});
// The sandboxes of this machine, made as those of the server are.
[[nodiscard]] driver::CommandPoolOptions command_pool_options(Context const& context);

// Of a file, or of stdin for "-"; `folder` is what a relative name is relative to. nullopt: only
// white space.
[[nodiscard]] Result<std::string> read_text_argument(std::string const& file,
                                                     std::string const& folder);
[[nodiscard]] Result<std::optional<json::value>> read_json_argument(std::string const& file,
                                                                    std::string const& folder);

}  // namespace drover::cli
