#include "cli/commands.h"
#include "cli/exit_codes.h"

namespace drover::cli {

int execute(Context const& context, HelpCommand const& command) {
  context.screen.print(command.text);
  return kExitOk;
}

}  // namespace drover::cli
