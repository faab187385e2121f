#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/follow.h"
#include "cli/interrupt.h"
#include "cli/run_view.h"
#include "cli/summary.h"
#include "cli/transcript.h"

namespace drover::cli {

int execute(Context const& context, LogsCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const ref = find_run(*client, command.run);
  if (!ref) return report(context, ref.error());

  Screen& screen = context.screen;
  TranscriptRenderer renderer{screen.out_style()};
  auto const show = [&](std::string_view, json::object const& event) {
    screen.print(renderer.on_event(event));
    if (renderer.tally().ended) screen.print("\n" + render_outcome(event, screen.out_style()));
    return screen.write_error() ? net::StreamStep::more : net::StreamStep::stop;
  };
  FollowHooks const hooks{
      .on_event = show,
      .on_notice = [&](std::string const& line) { screen.note("drover: " + line); },
      .locate = [&] { return locate_again(context); }};
  FollowRequest const request{.session = ref->session, .run = ref->run, .follow = command.follow};
  InterruptWatch const watch;
  auto const end =
      follow_events(client->endpoint(), request, hooks, context.clock, &InterruptWatch::flag());
  screen.print(renderer.finish());
  if (auto const written = screen.write_error(); !written) return report(context, written.error());
  if (!end) return report(context, end.error());
  return *end == FollowEnd::aborted ? kExitInterrupted : kExitOk;
}

}  // namespace drover::cli
