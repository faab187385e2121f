#include <fmt/format.h>

#include <algorithm>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"

namespace drover::cli {

namespace {

constexpr std::int64_t kPageMax = 100;

// Each for itself, as the server does it for many; the new run's id is what scripts want.
Status replay(ApiClient& client, RunId const& run, Format format, Screen& screen) {
  auto const answer = client.post(fmt::format("/dead-letters/{}/replay", run), {});
  if (!answer) return std::unexpected(answer.error());
  screen.print(format == Format::json ? json_object_line(*answer, screen.out_style())
                                      : cell_text(*answer, "run") + "\n");
  return {};
}

}  // namespace

int execute(Context const& context, DeadLettersCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  Table table{{{"RUN"}, {"REASON"}, {"DIED"}, {"FAILED", Align::right}, {"TENANT"}, {"DETAIL"}}};
  WallTime const now = context.clock.now();
  Screen& screen = context.screen;
  auto const path = fmt::format("/dead-letters?limit={}", std::min(command.limit, kPageMax));
  auto const listed =
      list_pages(*client, path, "dead_letters", command.limit, [&](json::object const& letter) {
        if (command.format == Format::json) {
          screen.print(json_object_line(letter, screen.out_style()));
          return;
        }
        table.add({{cell_text(letter, "run")},
                   {cell_text(letter, "reason")},
                   {cell_time(letter, "died_at", now), Paint::dim},
                   {cell_text(letter, "failed")},
                   {cell_text(letter, "tenant")},
                   {cell_text(letter, "detail")}});
      });
  if (!listed) return report(context, listed.error());
  return finish_listing(context, command.format, table, "no dead letters");
}

int execute(Context const& context, DeadLetterEndCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  int exit = kExitOk;
  for (RunId const& run : command.runs) {
    auto const done = command.end == DeadLetterEnd::replay
                          ? replay(*client, run, command.format, context.screen)
                          : client->remove(fmt::format("/dead-letters/{}", run));
    if (!done) exit = report(context, done.error());
  }
  return exit;
}

}  // namespace drover::cli
