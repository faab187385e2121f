#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"
#include "net/http_types.h"

namespace drover::cli {

namespace {

constexpr std::int64_t kWorkloadsMax = 10'000;

double seconds_of(Millis time) {
  return std::chrono::duration<double>(time).count();
}

std::string path_of(std::string const& id) {
  return fmt::format("/workloads/{}", net::percent_encode(id));
}

int print(Context const& context, Format format, json::object const& workload) {
  Screen& screen = context.screen;
  if (format == Format::json) {
    screen.print(json_object_line(workload, screen.out_style()));
    return kExitOk;
  }
  for (auto const& [name, value] : workload)
    screen.print(fmt::format("{}: {}\n", printable(name), cell_text(workload, name)));
  return kExitOk;
}

int print_logs(Context const& context, json::object const& logs) {
  auto const detail = string_or(logs, "detail", "");
  if (!detail.empty()) context.screen.note(fmt::format("drover: {}", terminal_safe(detail)));
  context.screen.print(terminal_safe(string_or(logs, "output", "")));
  return kExitOk;
}

}  // namespace

int execute(Context const& context, WorkloadsCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  Table table{{{"WORKLOAD"}, {"PROFILE"}, {"BACKEND"}, {"STATE"}, {"REASON"}, {"EXIT"}}};
  Screen& screen = context.screen;
  auto const listed = list_pages(*client, "/workloads", "workloads", kWorkloadsMax,
                                 [&](json::object const& workload) {
                                   if (command.format == Format::json) {
                                     screen.print(json_object_line(workload, screen.out_style()));
                                     return;
                                   }
                                   table.add({{cell_text(workload, "workloadId")},
                                              {cell_text(workload, "profile")},
                                              {cell_text(workload, "backend")},
                                              {cell_text(workload, "state")},
                                              {cell_text(workload, "stopReason")},
                                              {cell_text(workload, "exitCode")}});
                                 });
  if (!listed) return report(context, listed.error());
  return finish_listing(context, command.format, table,
                        "no workloads; start one with: drover workloads start PROFILE");
}

int execute(Context const& context, WorkloadStartCommand const& command) {
  auto client = connect_or_start(context);
  if (!client) return report(context, client.error());
  json::object env;
  for (auto const& [name, value] : command.env)
    env[name] = value;
  json::object body{
      {"workloadId", command.id}, {"profile", command.profile}, {"env", std::move(env)}};
  if (!command.backend.empty()) body["backend"] = command.backend;
  if (!command.callback.empty()) body["callbackUrl"] = command.callback;
  if (command.idle) body["idleTimeoutSec"] = seconds_of(*command.idle);
  if (command.lifetime) body["maxLifetimeSec"] = seconds_of(*command.lifetime);
  auto const answer = client->post("/workloads", body);
  if (!answer) return report(context, answer.error());
  return print(context, command.format, *answer);
}

int execute(Context const& context, WorkloadActionCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  std::string const path = path_of(command.id);
  if (command.action == WorkloadAction::remove) {
    auto const removed = client->remove(path);
    return removed ? kExitOk : report(context, removed.error());
  }
  json::object const nothing;
  auto const answer = command.action == WorkloadAction::show ? client->get(path)
                      : command.action == WorkloadAction::logs
                          ? client->get(path + "/logs")
                          : client->post(path + "/stop", nothing);
  if (!answer) return report(context, answer.error());
  if (command.action == WorkloadAction::logs) return print_logs(context, *answer);
  return print(context, command.format, *answer);
}

}  // namespace drover::cli
