#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/document.h"
#include "cli/exit_codes.h"
#include "cli/json_view.h"
#include "cli/listing.h"
#include "net/http_types.h"

namespace drover::cli {

namespace {

std::string age_of(json::object const& queue) {
  auto const* const age = queue.if_contains("oldest_age_s");
  if (age == nullptr || !age->is_number()) return "-";
  return short_duration(Millis{static_cast<std::int64_t>(age->to_number<double>() * 1000)});
}

std::string state_of(json::object const& queue) {
  auto const* const paused = queue.if_contains("paused");
  return paused != nullptr && paused->is_bool() && paused->get_bool() ? "paused" : "running";
}

void note_paused(Screen& screen, json::object const& answer) {
  auto const names = cell_names(answer, "paused");
  screen.note(names == "-" ? "drover: nothing is paused"
                           : fmt::format("drover: paused: {}", names));
}

}  // namespace

int execute(Context const& context, QueuesCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const answer = client->get("/queues");
  if (!answer) return report(context, answer.error());
  Screen& screen = context.screen;
  Table table{{{"TASK TYPE"},
               {"POOL"},
               {"TENANT"},
               {"DEPTH", Align::right},
               {"READY", Align::right},
               {"DELAYED", Align::right},
               {"CLAIMED", Align::right},
               {"DEAD", Align::right},
               {"OLDEST", Align::right},
               {"STATE"}}};
  auto const* const queues = answer->if_contains("queues");
  if (queues == nullptr || !queues->is_array())
    return report(context, Error{ErrorCode::upstream, "the server's answer has no queues", {}});
  for (json::value const& item : queues->get_array()) {
    if (!item.is_object()) continue;
    json::object const& queue = item.get_object();
    if (command.format == Format::json) {
      screen.print(json_object_line(queue, screen.out_style()));
      continue;
    }
    table.add({{cell_text(queue, "task_type")},
               {cell_text(queue, "pool")},
               {cell_text(queue, "tenant")},
               {cell_text(queue, "depth")},
               {cell_text(queue, "ready")},
               {cell_text(queue, "delayed")},
               {cell_text(queue, "claimed")},
               {cell_text(queue, "dead")},
               {age_of(queue)},
               {state_of(queue)}});
  }
  if (cell_names(*answer, "paused") != "-") note_paused(screen, *answer);
  return finish_listing(context, command.format, table, "nothing waits");
}

int execute(Context const& context, QueueLimitsCommand const& command) {
  json::object wanted;
  if (!command.file.empty()) {
    auto document = read_document(command.file);
    if (!document) return report(context, document.error());
    wanted = *std::move(document);
  }
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const answer =
      command.file.empty() ? client->get("/queues/limits") : client->put("/queues/limits", wanted);
  if (!answer) return report(context, answer.error());
  Screen& screen = context.screen;
  if (command.format == Format::json) {
    screen.print(json_object_line(*answer, screen.out_style()));
    return kExitOk;
  }
  auto const* const limits = answer->if_contains("limits");
  if (limits == nullptr)
    return report(context, Error{ErrorCode::upstream, "the server's answer has no limits", {}});
  screen.print(render_json(*limits, screen.out_style()));
  std::string const file = cell_text(*answer, "file");
  if (file != "-") screen.note(fmt::format("drover: {}", file));
  return kExitOk;
}

int execute(Context const& context, QueueChangeCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const answer =
      client->post(fmt::format("/queues/{}/{}", net::percent_encode(command.queue),
                               command.change == QueueChange::pause ? "pause" : "resume"),
                   {});
  if (!answer) return report(context, answer.error());
  note_paused(context.screen, *answer);
  return kExitOk;
}

}  // namespace drover::cli
