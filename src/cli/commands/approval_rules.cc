#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/definition_client.h"
#include "cli/exit_codes.h"
#include "cli/json_view.h"
#include "cli/listing.h"
#include "net/http_types.h"

namespace drover::cli {

int execute(Context const& context, ApprovalRulesCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const answer = client->get("/approval-rules");
  if (!answer) return report(context, answer.error());
  auto const* const rules = answer->if_contains("rules");
  if (rules == nullptr || !rules->is_array())
    return report(context, Error{ErrorCode::upstream, "the server's answer has no rules", {}});
  Table table{{{"RULE"}, {"BREAKPOINT"}, {"PROCESS"}, {"RESPONSE"}, {"BY"}, {"MADE"}, {"COMMENT"}}};
  WallTime const now = context.clock.now();
  Screen& screen = context.screen;
  for (json::value const& value : rules->get_array()) {
    if (!value.is_object()) continue;
    json::object const& rule = value.get_object();
    if (command.format == Format::json) {
      screen.print(json_object_line(rule, screen.out_style()));
      continue;
    }
    table.add({{cell_text(rule, "id")},
               {cell_text(rule, "breakpoint")},
               {cell_text(rule, "process")},
               {cell_text(rule, "response")},
               {cell_text(rule, "actor")},
               {cell_time(rule, "created_at", now), Paint::dim},
               {cell_text(rule, "comment")}});
  }
  return finish_listing(context, command.format, table, "no rules");
}

int execute(Context const& context, ApprovalRuleAddCommand const& command) {
  auto client = connect_or_start(context);
  if (!client) return report(context, client.error());
  json::object body{{"breakpoint", json::string{command.breakpoint}}};
  auto const put = [&](std::string_view key, std::string const& text) {
    if (!text.empty()) body[key] = json::string{text};
  };
  put("process", command.process);
  put("response", command.response);
  put("comment", command.comment);
  auto const made = client->post(
      fmt::format("/approval-rules?actor={}", net::percent_encode(actor_of(context))), body);
  if (!made) return report(context, made.error());
  Screen& screen = context.screen;
  screen.print(command.format == Format::json ? json_object_line(*made, screen.out_style())
                                              : cell_text(*made, "id") + "\n");
  return kExitOk;
}

int execute(Context const& context, ApprovalRuleRemoveCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const removed =
      client->remove(fmt::format("/approval-rules/{}", net::percent_encode(command.rule)));
  if (!removed) return report(context, removed.error());
  context.screen.note(fmt::format("drover: the rule {} is removed", printable(command.rule)));
  return kExitOk;
}

}  // namespace drover::cli
