#include <fmt/format.h>

#include <iostream>
#include <string>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"
#include "cli/question.h"
#include "net/http_types.h"

namespace drover::cli {

namespace {

std::string path_of(std::string_view agent) {
  return fmt::format("/fleet/{}", net::percent_encode(agent));
}

void add_instances(Context const& context, Table& table, Format format, json::object const& agent) {
  Screen& screen = context.screen;
  for (json::value const& value : array_at(agent, "instances")) {
    if (!value.is_object()) continue;
    json::object const& one = value.get_object();
    if (format == Format::json) {
      screen.print(json_object_line(one, screen.out_style()));
      continue;
    }
    table.add({{cell_text(one, "instance")},
               {cell_text(one, "agent")},
               {cell_text(one, "backend")},
               {cell_text(one, "state")},
               {cell_text(one, "restarts")},
               {cell_text(one, "since")},
               {cell_text(one, "reason")}});
  }
}

// One line a class, as the server's log has it.
int print_summary(Context const& context, Format format, json::object const& summary) {
  Screen& screen = context.screen;
  bool const failed = !array_at(summary, "failed").empty();
  if (format == Format::json) {
    screen.print(json_object_line(summary, screen.out_style()));
    return failed ? kExitFailed : kExitOk;
  }
  for (std::string_view const outcome : {"created", "updated", "removed", "unchanged"}) {
    std::string names;
    for (json::value const& name : array_at(summary, outcome))
      if (name.is_string()) names += fmt::format(" {}", printable(name.get_string()));
    screen.print(fmt::format("{}: {}{}\n", outcome, array_at(summary, outcome).size(), names));
  }
  screen.print(fmt::format("failed: {}\n", array_at(summary, "failed").size()));
  for (json::value const& value : array_at(summary, "failed"))
    if (value.is_object())
      screen.note(fmt::format("drover: {}: {}", cell_text(value.get_object(), "instance"),
                              cell_text(value.get_object(), "reason")));
  return failed ? kExitFailed : kExitOk;
}

bool names_a_server(Context const& context) {
  return !context.server_option.empty() ||
         !context.environment("DROVER_SERVER").value_or("").empty();
}

// Who wipes says the name once more: a state is gone for good.
bool says_the_name(Context const& context, FleetWipeCommand const& command) {
  context.screen.note(fmt::format(
      "drover: this takes the state of {} away for good. To go on, type the agent's name: {}",
      printable(command.instance.empty() ? command.agent : command.instance),
      printable(command.agent)));
  std::string line;
  if (!std::getline(std::cin, line)) return false;
  return trim(line) == command.agent;
}

}  // namespace

int execute(Context const& context, FleetStatusCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const answer = client->get(command.agent.empty() ? "/fleet" : path_of(command.agent));
  if (!answer) return report(context, answer.error());
  Table table{
      {{"INSTANCE"}, {"AGENT"}, {"BACKEND"}, {"STATE"}, {"RESTARTS"}, {"SINCE"}, {"REASON"}}};
  if (!command.agent.empty()) add_instances(context, table, command.format, *answer);
  for (json::value const& agent : array_at(*answer, "agents"))
    if (agent.is_object()) add_instances(context, table, command.format, agent.get_object());
  return finish_listing(context, command.format, table,
                        "no resident agents; make one with: drover agents create NAME --resident");
}

int execute(Context const& context, FleetSyncCommand const& command) {
  auto client = connect(context);
  if (client) {
    json::object body;
    if (!command.agent.empty()) body["agent"] = command.agent;
    auto const summary = client->post("/fleet/sync", body);
    if (!summary) return report(context, summary.error());
    return print_summary(context, command.format, *summary);
  }
  bool const none = client.error().code == ErrorCode::unavailable && !names_a_server(context);
  if (!none || context.entry.sync_fleet == nullptr) return report(context, client.error());
  auto folder = state_folder(context.environment);
  if (!folder) return report(context, folder.error());
  auto const summary = context.entry.sync_fleet(*folder, command.agent);
  if (!summary) return report(context, summary.error());
  return print_summary(context, command.format, *summary);
}

int execute(Context const& context, FleetWipeCommand const& command) {
  if (!command.yes && !can_ask(context.screen))
    return report(context, Error{ErrorCode::invalid_argument,
                                 fmt::format("the state of {} is gone for good once it is wiped, "
                                             "and there is nobody to ask",
                                             printable(command.agent)),
                                 "say --yes"});
  auto client = connect(context);
  if (!client) return report(context, client.error());
  if (!command.yes && !says_the_name(context, command)) {
    context.screen.note("drover: nothing was wiped");
    return kExitFailed;
  }
  json::object body{{"confirm", command.agent}};
  if (!command.instance.empty()) body["instance"] = command.instance;
  auto const wiped =
      client->post(fmt::format("/agents/{}/wipe", net::percent_encode(command.agent)), body);
  if (!wiped) return report(context, wiped.error());
  context.screen.note(
      fmt::format("drover: the state of {} is gone",
                  printable(command.instance.empty() ? command.agent : command.instance)));
  return kExitOk;
}

// Its exit status is the command's own.
int execute(Context const& context, FleetExecCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  json::array argv;
  for (std::string const& word : command.argv)
    argv.push_back(json::string{word});
  json::object body{{"argv", std::move(argv)}};
  if (!command.instance.empty()) body["instance"] = json::string{command.instance};
  auto const answer =
      client->post(fmt::format("/agents/{}/exec", net::percent_encode(command.agent)), body);
  if (!answer) return report(context, answer.error());
  Screen& screen = context.screen;
  int const status = static_cast<int>(integer_or(*answer, "status", kExitFailed));
  if (command.format == Format::json) {
    screen.print(json_object_line(*answer, screen.out_style()));
    return status;
  }
  screen.print(terminal_safe(string_or(*answer, "stdout", "")));
  std::string const errors = terminal_safe(string_or(*answer, "stderr", ""));
  if (!errors.empty()) screen.note(errors);
  auto const* const cut = answer->if_contains("cut");
  if (cut != nullptr && cut->is_bool() && cut->get_bool())
    screen.note("drover: the output was longer than 1 MiB, and the rest of it is left out");
  return status;
}

}  // namespace drover::cli
