#include <fmt/format.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/json.h"
#include "base/text.h"
#include "cli/api_client.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/server_control.h"

namespace drover::cli {

namespace {

constexpr Millis kLook{20};

// Prints the address once the server in this process is ready.
void announce(std::stop_token const& stop, Context const& context, std::string const& folder) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  while (!stop.stop_requested()) {
    auto const endpoint = running_server(folder);
    if (endpoint && endpoint->pid == ::getpid()) {
      show_warnings(context, *endpoint);
      context.screen.print(browser_address(*endpoint) + "\n");
      return;
    }
    wake.wait_for(lock, stop, kLook, [] { return false; });
  }
}

int up_here(Context const& context, UpCommand const& command, std::string const& folder) {
  if (auto const endpoint = running_server(folder))
    return report(context, Error{ErrorCode::conflict,
                                 fmt::format("a drover server (process {}) runs already at {}",
                                             endpoint->pid, endpoint->url),
                                 "stop it with: drover down"});
  std::jthread const announcer{
      [&](std::stop_token const& stop) { announce(stop, context, folder); }};
  ServeCommand serve;
  serve.port = command.port;
  serve.broker = command.broker;
  serve.dispatch = command.dispatch;
  return execute(context, serve);
}

// Redis is no condition for work, so its absence is said and nothing more.
void note_broker(Context const& context, Endpoint const& endpoint, UpCommand const& command) {
  auto const broker = ApiClient{endpoint}.get("/broker");
  // A server of an earlier drover has no such route.
  if (!broker && broker.error().code == ErrorCode::not_found) return;
  if (!broker) return context.screen.note("drover: " + broker.error().text());
  if (!command.broker.empty() && string_or(*broker, "kind", "") == "embedded")
    context.screen.note(
        "drover: it runs without Redis; stop it first with: drover down, then start it anew");
  if (string_or(*broker, "state", "") == "degraded")
    context.screen.note(fmt::format(
        "drover: degraded: {}; work goes on here and nothing is lost, other workers and readers "
        "wait",
        printable(string_or(*broker, "reason", ""), 500)));
}

}  // namespace

int execute(Context const& context, UpCommand const& command) {
  auto const folder = state_folder(context.environment);
  if (!folder) return report(context, folder.error());
  if (context.entry.serve == nullptr) return execute(context, ServeCommand{});
  if (command.mode == Mode::foreground) return up_here(context, command, *folder);
  auto endpoint = running_server(*folder);
  if (endpoint) {
    context.screen.note("drover: the server runs already");
    std::string const wanted = fmt::format(":{}", command.port);
    if (command.port != 0 && !endpoint->url.ends_with(wanted))
      context.screen.note(fmt::format(
          "drover: it does not listen on port {}; stop it first with: drover down", command.port));
    if (command.dispatch == Dispatch::paused)
      context.screen.note("drover: it gives out work; pause it with: drover queues pause");
  } else {
    endpoint =
        start_server(*folder, {command.port, command.broker, command.dispatch}, context.clock);
    if (endpoint && command.dispatch == Dispatch::paused)
      context.screen.note("drover: it gives out no work until: drover queues resume");
  }
  if (!endpoint) return report(context, endpoint.error());
  show_warnings(context, *endpoint);
  context.screen.print(browser_address(*endpoint) + "\n");
  note_broker(context, *endpoint, command);
  return kExitOk;
}

}  // namespace drover::cli
