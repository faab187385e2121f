#include <filesystem>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "os/files.h"

namespace drover::cli {

int execute(Context const& context, ModelServeCommand const& command) {
  if (context.entry.serve_model == nullptr)
    return report(context,
                  Error{ErrorCode::unsupported, "this build of drover has no scripted model", {}});
  auto script = os::real_path(command.script);
  if (!script) return report(context, script.error());
  if (!std::filesystem::is_regular_file(*script))
    return report(
        context,
        Error{ErrorCode::invalid_argument, printable(*script) + " is no regular file", {}});
  return context.entry.serve_model(
      {.script = *std::move(script), .host = command.host, .port = command.port});
}

}  // namespace drover::cli
