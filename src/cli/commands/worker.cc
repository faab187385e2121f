#include <utility>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/discovery.h"
#include "cli/exit_codes.h"

namespace drover::cli {

namespace {

// The first of these variables that says something.
std::string first_of(Environment const& environment, std::initializer_list<char const*> names) {
  for (char const* const name : names)
    if (auto value = environment(name); value && !value->empty()) return *std::move(value);
  return {};
}

std::vector<std::string> listed(std::string const& text) {
  std::vector<std::string> names;
  for (std::string_view const name : split(text, ','))
    if (!trim(name).empty()) names.emplace_back(trim(name));
  return names;
}

}  // namespace

int execute(Context const& context, WorkerCommand const& command) {
  if (context.entry.join == nullptr)
    return report(context, Error{ErrorCode::unsupported, "this build of drover has no worker",
                                 "build the target drover with the server linked in"});
  auto folder = state_folder(context.environment);
  if (!folder) return report(context, folder.error());
  Environment const environment = [&](std::string_view name) {
    if (name == "DROVER_TOKEN" && !command.token.empty())
      return std::optional<std::string>{command.token};
    return context.environment(name);
  };
  auto server = discover(context.server_option, environment);
  if (!server) return report(context, server.error());
  JoinOptions options;
  options.state_folder = *std::move(folder);
  options.name = command.name;
  options.url = server->url;
  options.token = server->token;
  options.mode = command.mode.empty()
                     ? first_of(context.environment, {"DROVER_WORKER_MODE", "TASK_WORKER_MODE"})
                     : command.mode;
  options.pools = command.pools;
  options.task_types = command.task_types.empty()
                           ? listed(first_of(context.environment, {"TASK_TYPE_FILTER"}))
                           : command.task_types;
  options.labels.insert(command.labels.begin(), command.labels.end());
  options.slots = static_cast<std::size_t>(command.slots);
  options.lease = command.lease;
  options.drain = command.drain;
  options.assigned = command.assigned;
  return context.entry.join(options);
}

}  // namespace drover::cli
