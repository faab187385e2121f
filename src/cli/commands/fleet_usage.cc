#include <fmt/format.h>

#include <cmath>
#include <string>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/listing.h"
#include "net/http_types.h"

namespace drover::cli {

namespace {

constexpr double kMillisOfSecond = 1000;

// Of all containers of an agent that say so.
struct Used {
  int containers = 0;
  int silent = 0;  // those that do not
  double cpu_s = 0;
  std::int64_t memory_bytes = 0;
};

Used used_by(json::object const& agent) {
  Used used;
  for (json::value const& value : array_at(agent, "instances")) {
    if (!value.is_object()) continue;
    json::object const& one = value.get_object();
    if (cell_text(one, "container") == "-") continue;
    ++used.containers;
    if (cell_text(one, "cpu_s") == "-") ++used.silent;
    used.cpu_s += number_at(one, "cpu_s");
    used.memory_bytes += integer_or(one, "memory_bytes", 0);
  }
  return used;
}

void add_agent(Table& table, json::object const& agent, Used const& used) {
  bool const known = used.containers > used.silent;
  auto const* const found = agent.if_contains("spend");
  json::object const spend =
      found != nullptr && found->is_object() ? found->get_object() : json::object{};
  Millis const cpu{std::llround(used.cpu_s * kMillisOfSecond)};
  table.add({{cell_text(agent, "agent")},
             {cell_text(agent, "state")},
             {std::to_string(used.containers)},
             {known ? short_duration(cpu) : "-"},
             {known ? short_bytes(static_cast<std::uint64_t>(used.memory_bytes)) : "-"},
             {cell_text(spend, "runs")},
             {short_count(integer_or(spend, "input_tokens", 0))},
             {short_count(integer_or(spend, "output_tokens", 0))},
             {money(number_at(spend, "cost_usd"))}});
}

}  // namespace

int execute(Context const& context, FleetUsageCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  bool const one = !command.agent.empty();
  auto const answer = client->get(one ? fmt::format("/fleet/{}", net::percent_encode(command.agent))
                                      : "/fleet?usage=true");
  if (!answer) return report(context, answer.error());
  Table table{{{"AGENT"},
               {"STATE"},
               {"CONTAINERS", Align::right},
               {"CPU", Align::right},
               {"MEMORY", Align::right},
               {"RUNS", Align::right},
               {"INPUT", Align::right},
               {"OUTPUT", Align::right},
               {"COST", Align::right}}};
  Screen& screen = context.screen;
  int silent = 0;
  auto const add = [&](json::object const& agent) {
    if (command.format == Format::json) {
      screen.print(json_object_line(agent, screen.out_style()));
      return;
    }
    Used const used = used_by(agent);
    silent += used.silent;
    add_agent(table, agent, used);
  };
  if (one) add(*answer);
  for (json::value const& agent : array_at(*answer, "agents"))
    if (agent.is_object()) add(agent.get_object());
  int const status =
      finish_listing(context, command.format, table,
                     "no resident agents; make one with: drover agents create NAME --resident");
  if (silent > 0)
    screen.note(fmt::format("drover: {} did not say what {} within two seconds",
                            counted(silent, "container"), silent == 1 ? "it uses" : "they use"));
  return status;
}

}  // namespace drover::cli
