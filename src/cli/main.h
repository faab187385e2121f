#pragma once
// `drover` as a function: parse the command line, run the command, return the exit code.
#include "cli/server_entry.h"

namespace drover::cli {

[[nodiscard]] int run_command_line(int argument_count, char const* const* arguments,
                                   ServerEntry const& entry);

}  // namespace drover::cli
