#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"
#include "cli/summary.h"

namespace drover::cli {

namespace {

constexpr std::int64_t kPageMax = 100;

std::string cost_of(json::object const& run) {
  auto const* const usage = run.if_contains("usage");
  if (usage == nullptr || !usage->is_object()) return "-";
  auto const* const cost = usage->get_object().if_contains("cost_usd");
  return cost != nullptr && cost->is_number() ? money(cost->to_number<double>()) : "-";
}

std::string took(json::object const& run, WallTime now) {
  auto const created = parse_rfc3339(string_or(run, "created_at", ""));
  auto const finished = parse_rfc3339(string_or(run, "finished_at", ""));
  if (!created) return "-";
  return short_duration(
      std::chrono::duration_cast<Millis>((finished ? *finished : now) - *created));
}

// The list stands without it, so that a server that cannot say is none the worse.
void note_why_runs_wait(Screen& screen, ApiClient& client) {
  auto const queues = client.get("/queues");
  if (!queues) return;
  std::string const paused = cell_names(*queues, "paused");
  if (paused != "-")
    screen.note(fmt::format("drover: paused: {}; go on with: drover queues resume", paused));
}

std::vector<Table::Cell> row_of(json::object const& run, WallTime now) {
  std::string const state = cell_text(run, "state");
  std::string const reason = cell_text(run, "reason");
  bool const plain = reason == "-" || reason == "completed" || !is_terminal_state(state);
  return {{cell_text(run, "id")},
          {plain ? state : fmt::format("{} ({})", state, reason), paint_of_state(state)},
          {cell_time(run, "created_at", now), Paint::dim},
          {took(run, now)},
          {cost_of(run)},
          {cell_text(run, "prompt")}};
}

}  // namespace

int execute(Context const& context, PsCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  Table table{{{"RUN"},
               {"STATE"},
               {"CREATED"},
               {"TOOK", Align::right},
               {"COST", Align::right},
               {"PROMPT"}}};
  WallTime const now = context.clock.now();
  Screen& screen = context.screen;
  std::string path = fmt::format("/runs?limit={}", std::min(command.limit, kPageMax));
  if (!command.session.empty()) path += "&session=" + command.session;
  if (!command.state.empty()) path += "&state=" + command.state;
  bool any_queued = false;
  auto const listed =
      list_pages(*client, path, "runs", command.limit, [&](json::object const& run) {
        any_queued = any_queued || string_or(run, "state", "") == "queued";
        if (command.format == Format::json) {
          screen.print(json_object_line(run, screen.out_style()));
        } else {
          table.add(row_of(run, now));
        }
      });
  if (!listed) return report(context, listed.error());
  if (any_queued) note_why_runs_wait(screen, *client);
  return finish_listing(context, command.format, table,
                        "no runs; start one with: drover run \"what to do\"");
}

}  // namespace drover::cli
