#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/definition_client.h"
#include "cli/exit_codes.h"
#include "cli/json_view.h"
#include "cli/listing.h"

namespace drover::cli {

namespace {

std::string member_or(json::object const& spec, std::string_view key, std::string_view usual) {
  return printable(string_or(spec, key, usual));
}

Table table_of(Definition kind) {
  if (kind == Definition::agent)
    return Table{{{"AGENT"}, {"ORIGIN"}, {"STATE"}, {"MODEL"}, {"DESCRIPTION"}}};
  return Table{{{"TASK TYPE"}, {"ORIGIN"}, {"POOL"}, {"PRIORITY"}, {"DESCRIPTION"}}};
}

void add_row(Table& table, Definition kind, json::object const& item, json::object const& spec) {
  if (kind == Definition::agent) {
    table.add({{cell_text(item, "name")},
               {cell_text(item, "origin")},
               {flag_of(spec, "enabled", true) ? "enabled" : "disabled"},
               {member_or(spec, "model", "-")},
               {cell_text(spec, "description")}});
    return;
  }
  table.add({{cell_text(item, "name")},
             {cell_text(item, "origin")},
             {member_or(spec, "pool", "default")},
             {member_or(spec, "priority", "normal")},
             {cell_text(spec, "description")}});
}

}  // namespace

int execute(Context const& context, DefinitionsCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  DefinitionWords const& words = words_of(command.kind);
  auto const answer = client->get(fmt::format("/{}", words.command));
  if (!answer) return report(context, answer.error());
  auto const* const items = answer->if_contains(words.list);
  if (items == nullptr || !items->is_array())
    return report(
        context,
        Error{ErrorCode::upstream, fmt::format("the server's answer has no {}s", words.noun), {}});
  Screen& screen = context.screen;
  Table table = table_of(command.kind);
  for (json::value const& value : items->get_array()) {
    if (!value.is_object()) continue;
    json::object const& item = value.get_object();
    if (command.format == Format::json) {
      screen.print(json_object_line(item, screen.out_style()));
      continue;
    }
    auto const present = present_of(command.kind, item);
    if (!present) return report(context, present.error());
    add_row(table, command.kind, item, present->spec);
  }
  return finish_listing(context, command.format, table, fmt::format("no {}s", words.noun));
}

int execute(Context const& context, DefinitionShowCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const item = client->get(path_of(command.kind, command.name));
  if (!item) return report(context, item.error());
  Screen& screen = context.screen;
  if (command.format == Format::json) {
    screen.print(json_object_line(*item, screen.out_style()));
    return kExitOk;
  }
  auto const present = present_of(command.kind, *item);
  if (!present) return report(context, present.error());
  screen.print(render_json(present->spec, screen.out_style()));
  std::string const origin = present->file.empty() ? present->origin : present->file;
  screen.note(present->revision == 0
                  ? fmt::format("drover: {}", printable(origin, 300))
                  : fmt::format("drover: {}, revision {}", printable(origin), present->revision));
  return kExitOk;
}

int execute(Context const& context, AgentEnableCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto agent = fetch_definition(*client, Definition::agent, command.name);
  if (!agent) return report(context, agent.error());
  bool const wanted = command.enablement == Enablement::enable;
  std::string_view const word = wanted ? "enabled" : "disabled";
  if (flag_of(agent->spec, "enabled", true) == wanted) {
    context.screen.note(fmt::format("drover: {} is {} already", printable(command.name), word));
    return kExitOk;
  }
  agent->spec["enabled"] = wanted;
  auto const put =
      put_definition(context, *client, Definition::agent, agent->spec, agent->revision);
  if (!put) return report(context, put.error());
  if (command.format == Format::json) return show_put(context, command.format, *put);
  context.screen.note(fmt::format("drover: {} is {}", printable(command.name), word));
  return kExitOk;
}

int execute(Context const& context, DefinitionRemoveCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const present = fetch_definition(*client, command.kind, command.name);
  if (!present) return report(context, present.error());
  auto const removed =
      remove_definition(context, *client, command.kind, command.name, present->revision);
  if (!removed) return report(context, removed.error());
  context.screen.note(fmt::format("drover: {} is deleted", printable(command.name)));
  if (command.kind == Definition::agent) note_volume(context, command.name, present->spec);
  return kExitOk;
}

}  // namespace drover::cli
