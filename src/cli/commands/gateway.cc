#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/json_view.h"
#include "cli/listing.h"

namespace drover::cli {

namespace {

void print_upstreams(Screen& screen, json::object const& answer) {
  Table table{{{"UPSTREAM"}, {"KIND"}, {"KEY"}, {"MODELS"}, {"ADDRESS"}}};
  for (json::value const& item : array_at(answer, "upstreams")) {
    if (!item.is_object()) continue;
    json::object const& upstream = item.get_object();
    auto const* const key = upstream.if_contains("key");
    bool const has_key = key != nullptr && key->is_bool() && key->get_bool();
    table.add({{cell_text(upstream, "name")},
               {cell_names(upstream, "kind")},
               {has_key ? "yes" : "none"},
               {cell_names(upstream, "models")},
               {cell_text(upstream, "base_url")}});
  }
  screen.print(table.render(screen.out_style()));
}

void print_models(Screen& screen, json::object const& answer) {
  if (array_at(answer, "models").empty()) return;
  Table table{{{"MODEL"}, {"UPSTREAM"}, {"ITS NAME THERE"}, {"FALLBACK"}}};
  for (json::value const& item : array_at(answer, "models")) {
    if (!item.is_object()) continue;
    json::object const& model = item.get_object();
    table.add({{cell_text(model, "name")},
               {cell_text(model, "upstream")},
               {cell_text(model, "model")},
               {cell_names(model, "fallback")}});
  }
  screen.print("\n" + table.render(screen.out_style()));
}

void print_mcp(Screen& screen, json::object const& answer) {
  if (array_at(answer, "mcp").empty()) return;
  Table table{{{"MCP SERVER"}, {"KIND"}, {"SESSIONS"}, {"TOOLS"}, {"ADDRESS"}, {"TROUBLE"}}};
  for (json::value const& item : array_at(answer, "mcp")) {
    if (!item.is_object()) continue;
    json::object const& server = item.get_object();
    bool const some = server.contains("tools") && server.at("tools").is_array();
    table.add({{cell_text(server, "name")},
               {cell_text(server, "kind")},
               {cell_text(server, "sessions")},
               {some ? cell_names(server, "tools") : "all"},
               {cell_text(server, "address")},
               {cell_text(server, "trouble")}});
  }
  screen.print("\n" + table.render(screen.out_style()));
}

}  // namespace

int execute(Context const& context, GatewayCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  if (command.act == GatewayAct::rotate_key) {
    auto const rotated = client->post("/gateway/rotate-key", {});
    if (!rotated) return report(context, rotated.error());
    context.screen.print(command.format == Format::json
                             ? json_object_line(*rotated, context.screen.out_style())
                             : cell_text(*rotated, "kid") + "\n");
    return kExitOk;
  }
  auto const answer = command.act == GatewayAct::reload ? client->post("/gateway/reload", {})
                                                        : client->get("/gateway");
  if (!answer) return report(context, answer.error());
  Screen& screen = context.screen;
  if (command.format == Format::json) {
    screen.print(json_object_line(*answer, screen.out_style()));
    return kExitOk;
  }
  if (array_at(*answer, "upstreams").empty()) {
    screen.note("drover: there is no upstream; set ANTHROPIC_API_KEY, or write gateway.toml");
  } else {
    print_upstreams(screen, *answer);
  }
  print_models(screen, *answer);
  print_mcp(screen, *answer);
  return kExitOk;
}

}  // namespace drover::cli
