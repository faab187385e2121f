#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/document.h"
#include "cli/exit_codes.h"
#include "cli/json_view.h"
#include "cli/listing.h"
#include "net/http_types.h"

namespace drover::cli {

namespace {

// How one kind is called in the API and in sentences.
struct Words {
  std::string_view path;
  std::string_view list;  // member of a listing
  std::string_view one;   // member that holds the definition
  std::string_view noun;
  std::string_view document;
};

Words words_of(Definition kind) {
  if (kind == Definition::agent) return {"agents", "agents", "agent", "agent", "docs/agents.md"};
  return {"task-types", "task_types", "type", "task type", "docs/task-types.md"};
}

std::string path_of(Words const& words, std::string_view name) {
  return fmt::format("/{}/{}", words.path, net::percent_encode(name));
}

// A definition as a file has it, with a name.
Result<json::object> read_definition(Words const& words, std::string const& file) {
  auto spec = read_document(file);
  if (!spec || !string_or(*spec, "name", "").empty()) return spec;
  return fail_next(
      ErrorCode::invalid_argument,
      fmt::format("/name: {} names no {}", printable(file), words.noun),
      fmt::format("see {}, or an existing one: drover {} show NAME", words.document, words.path));
}

json::object spec_of(Words const& words, json::object const& item) {
  auto const* const spec = item.if_contains(words.one);
  return spec != nullptr && spec->is_object() ? spec->get_object() : json::object{};
}

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
    auto const* const enabled = spec.if_contains("enabled");
    bool const off = enabled != nullptr && enabled->is_bool() && !enabled->get_bool();
    table.add({{cell_text(item, "name")},
               {cell_text(item, "origin")},
               {off ? "disabled" : "enabled"},
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
  Words const words = words_of(command.kind);
  auto const answer = client->get(fmt::format("/{}", words.path));
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
    add_row(table, command.kind, item, spec_of(words, item));
  }
  return finish_listing(context, command.format, table, fmt::format("no {}s", words.noun));
}

int execute(Context const& context, DefinitionShowCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  Words const words = words_of(command.kind);
  auto const item = client->get(path_of(words, command.name));
  if (!item) return report(context, item.error());
  Screen& screen = context.screen;
  if (command.format == Format::json) {
    screen.print(json_object_line(*item, screen.out_style()));
    return kExitOk;
  }
  screen.print(render_json(spec_of(words, *item), screen.out_style()));
  std::string const file = cell_text(*item, "file");
  screen.note(fmt::format("drover: {}", file == "-" ? cell_text(*item, "origin") : file));
  return kExitOk;
}

int execute(Context const& context, DefinitionApplyCommand const& command) {
  Words const words = words_of(command.kind);
  auto const spec = read_definition(words, command.file);
  if (!spec) return report(context, spec.error());
  auto client = connect_or_start(context);
  if (!client) return report(context, client.error());
  auto const put = client->put(path_of(words, string_or(*spec, "name", "")), *spec);
  if (!put) return report(context, put.error());
  Screen& screen = context.screen;
  screen.print(command.format == Format::json ? json_object_line(*put, screen.out_style())
                                              : cell_text(*put, "name") + "\n");
  return kExitOk;
}

int execute(Context const& context, DefinitionRemoveCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const removed = client->remove(path_of(words_of(command.kind), command.name));
  if (!removed) return report(context, removed.error());
  context.screen.note(fmt::format("drover: {} is removed", printable(command.name)));
  return kExitOk;
}

}  // namespace drover::cli
