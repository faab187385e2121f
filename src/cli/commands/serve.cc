#include "cli/commands.h"
#include "cli/exit_codes.h"

namespace drover::cli {

int execute(Context const& context, ServeCommand const& command) {
  if (context.entry.serve == nullptr)
    return report(context, Error{ErrorCode::unsupported, "this build of drover has no server",
                                 "build the target drover with the server linked in"});
  auto folder = state_folder(context.environment);
  if (!folder) return report(context, folder.error());
  return context.entry.serve({.state_folder = *std::move(folder),
                              .host = command.host,
                              .port = command.port,
                              .broker = command.broker,
                              .dispatch = command.dispatch,
                              .own_worker = command.own_worker == OwnWorker::yes,
                              .labels = {command.labels.begin(), command.labels.end()}});
}

}  // namespace drover::cli
