#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/server_control.h"

namespace drover::cli {

int execute(Context const& context, DownCommand const&) {
  auto const folder = state_folder(context.environment);
  if (!folder) return report(context, folder.error());
  auto const endpoint = read_server_file(*folder);
  if (!endpoint && endpoint.error().code == ErrorCode::unavailable) {
    // Down is what was asked for, so this is no failure.
    context.screen.note("drover: " + endpoint.error().message);
    return kExitOk;
  }
  if (!endpoint) return report(context, endpoint.error());
  auto const stopped = stop_server(*endpoint, context.clock);
  if (!stopped && stopped.error().code == ErrorCode::unavailable) {
    context.screen.note("drover: " + stopped.error().message);
    return kExitOk;
  }
  if (!stopped) return report(context, stopped.error());
  context.screen.note(fmt::format("drover: stopped the server (process {})", endpoint->pid));
  return kExitOk;
}

}  // namespace drover::cli
