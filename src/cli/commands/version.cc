#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_codes.h"

namespace drover::cli {

int execute(Context const& context, VersionCommand const& command) {
  context.screen.print(command.format == Format::json
                           ? fmt::format("{{\"version\":\"{}\"}}\n", DROVER_VERSION)
                           : fmt::format("drover {}\n", DROVER_VERSION));
  return kExitOk;
}

}  // namespace drover::cli
