#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/run_view.h"

namespace drover::cli {

int execute(Context const& context, AttachCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const ref = find_run(*client, command.target);
  if (!ref) return report(context, ref.error());
  if (command.target != ref->run.str())
    context.screen.note(paint(context.screen.err_style(), Paint::dim,
                              fmt::format("{} in {}", ref->run, ref->session)));
  return follow_run(context, *client, *ref, {command.format, command.show_diff});
}

}  // namespace drover::cli
