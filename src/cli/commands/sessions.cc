#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"

namespace drover::cli {

namespace {

constexpr std::int64_t kSessionsMax = 1000;

}  // namespace

int execute(Context const& context, SessionsCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  Table table{{{"SESSION"},
               {"STATE"},
               {"RUNS", Align::right},
               {"UPDATED"},
               {"LAST RUN"},
               {"BRANCH"},
               {"WORKSPACES"}}};
  WallTime const now = context.clock.now();
  Screen& screen = context.screen;
  auto const listed = list_pages(*client, "/sessions?limit=100", "sessions", kSessionsMax,
                                 [&](json::object const& session) {
                                   if (command.format == Format::json) {
                                     screen.print(json_object_line(session, screen.out_style()));
                                     return;
                                   }
                                   table.add({{cell_text(session, "id")},
                                              {cell_text(session, "state")},
                                              {cell_text(session, "runs")},
                                              {cell_time(session, "updated_at", now), Paint::dim},
                                              {cell_text(session, "last_run")},
                                              {cell_text(session, "branch")},
                                              {cell_names(session, "workspaces")}});
                                 });
  if (!listed) return report(context, listed.error());
  return finish_listing(context, command.format, table,
                        "no sessions; start one with: drover run \"what to do\"");
}

int execute(Context const& context, SessionRemoveCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  bool const force = command.removal == Removal::force;
  auto const removed =
      client->remove(fmt::format("/sessions/{}{}", command.session, force ? "?force=true" : ""));
  if (!removed) return report(context, removed.error());
  context.screen.note(
      fmt::format("drover: removed {}; its runs are still listed by drover ps", command.session));
  return kExitOk;
}

// As an env file: one NAME=VALUE a line, nothing quoted. No value has a line break.
int execute(Context const& context, SessionEnvironmentCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const answer = client->get(fmt::format("/sessions/{}/environment", command.session));
  if (!answer) return report(context, answer.error());
  Screen& screen = context.screen;
  if (command.format == Format::json) {
    screen.print(json_object_line(*answer, screen.out_style()));
    return kExitOk;
  }
  auto const* const variables = answer->if_contains("environment");
  if (variables == nullptr || !variables->is_object())
    return report(context,
                  Error{ErrorCode::upstream, "the server's answer has no environment", {}});
  for (auto const& [name, value] : variables->get_object()) {
    auto const* const text = value.if_string();
    if (text == nullptr) continue;
    screen.print(fmt::format("{}={}\n", terminal_safe(name, Lines::flatten),
                             terminal_safe(*text, Lines::flatten)));
  }
  return kExitOk;
}

}  // namespace drover::cli
