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

std::string path_of(std::string_view name) {
  return fmt::format("/task-types/{}", net::percent_encode(name));
}

// A type as a file has it, with a name.
Result<json::object> read_type(std::string const& file) {
  auto type = read_document(file);
  if (!type || !string_or(*type, "name", "").empty()) return type;
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("/name: {} names no task type", printable(file)),
                   "see docs/task-types.md, or an existing one: drover task-types show NAME");
}

json::object type_of(json::object const& task) {
  auto const* const type = task.if_contains("type");
  return type != nullptr && type->is_object() ? type->get_object() : json::object{};
}

std::string member_or(json::object const& type, std::string_view key, std::string_view usual) {
  return printable(string_or(type, key, usual));
}

}  // namespace

int execute(Context const& context, TaskTypesCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const answer = client->get("/task-types");
  if (!answer) return report(context, answer.error());
  auto const* const types = answer->if_contains("task_types");
  if (types == nullptr || !types->is_array())
    return report(context, Error{ErrorCode::upstream, "the server's answer has no task types", {}});
  Screen& screen = context.screen;
  Table table{{{"TASK TYPE"}, {"ORIGIN"}, {"POOL"}, {"PRIORITY"}, {"DESCRIPTION"}}};
  for (json::value const& item : types->get_array()) {
    if (!item.is_object()) continue;
    json::object const& task = item.get_object();
    if (command.format == Format::json) {
      screen.print(json_object_line(task, screen.out_style()));
      continue;
    }
    json::object const type = type_of(task);
    table.add({{cell_text(task, "name")},
               {cell_text(task, "origin")},
               {member_or(type, "pool", "default")},
               {member_or(type, "priority", "normal")},
               {cell_text(type, "description")}});
  }
  return finish_listing(context, command.format, table, "no task types");
}

int execute(Context const& context, TaskTypeShowCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const task = client->get(path_of(command.name));
  if (!task) return report(context, task.error());
  Screen& screen = context.screen;
  if (command.format == Format::json) {
    screen.print(json_object_line(*task, screen.out_style()));
    return kExitOk;
  }
  screen.print(render_json(type_of(*task), screen.out_style()));
  std::string const file = cell_text(*task, "file");
  screen.note(fmt::format("drover: {}", file == "-" ? cell_text(*task, "origin") : file));
  return kExitOk;
}

int execute(Context const& context, TaskTypeApplyCommand const& command) {
  auto const type = read_type(command.file);
  if (!type) return report(context, type.error());
  auto client = connect_or_start(context);
  if (!client) return report(context, client.error());
  auto const put = client->put(path_of(string_or(*type, "name", "")), *type);
  if (!put) return report(context, put.error());
  Screen& screen = context.screen;
  screen.print(command.format == Format::json ? json_object_line(*put, screen.out_style())
                                              : cell_text(*put, "name") + "\n");
  return kExitOk;
}

int execute(Context const& context, TaskTypeRemoveCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const removed = client->remove(path_of(command.name));
  if (!removed) return report(context, removed.error());
  context.screen.note(fmt::format("drover: {} is removed", printable(command.name)));
  return kExitOk;
}

}  // namespace drover::cli
