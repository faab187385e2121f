#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/follow.h"
#include "cli/interrupt.h"
#include "cli/layout.h"
#include "cli/run_view.h"

namespace drover::cli {

namespace {

constexpr std::size_t kDetailBytesMax = 2000;

// "  12  03:34:27.123  tool-call  {"tool":"Bash",…}": the members that every event has come first.
std::string event_line(json::object const& event, Style const& style) {
  json::object rest = event;
  for (auto const* key : {"seq", "at", "run", "epoch", "type", "turn_id"})
    rest.erase(key);
  std::string const at = printable(string_or(event, "at", ""));
  std::string const head = fmt::format("{:>5}  {:<12}  {:<14}", integer_or(event, "seq", 0),
                                       at.size() > 23 ? at.substr(11, 12) : at,
                                       printable(string_or(event, "type", "?"), 40));
  std::string detail = rest.empty() ? "" : printable(json::serialize(rest), kDetailBytesMax);
  if (style.device == Device::terminal) {
    std::size_t const used = display_width(head) + 2;
    detail = cut_to_width(detail, style.width > used ? style.width - used : 0);
  }
  return head + "  " + detail + "\n";
}

}  // namespace

int execute(Context const& context, EventsCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const ref = find_run(*client, command.run);
  if (!ref) return report(context, ref.error());

  Screen& screen = context.screen;
  auto const show = [&](std::string_view data, json::object const& event) {
    screen.print(command.format == Format::json ? json_line(data, screen.out_style())
                                                : event_line(event, screen.out_style()));
    return screen.write_error() ? net::StreamStep::more : net::StreamStep::stop;
  };
  FollowHooks const hooks{
      .on_event = show,
      .on_notice = [&](std::string const& line) { screen.note("drover: " + line); },
      .locate = [&] { return locate_again(context); }};
  FollowRequest const request{
      .session = ref->session, .run = ref->run, .after = command.after, .follow = command.follow};
  InterruptWatch const watch;
  auto const end =
      follow_events(client->endpoint(), request, hooks, context.clock, &InterruptWatch::flag());
  if (auto const written = screen.write_error(); !written) return report(context, written.error());
  if (!end) return report(context, end.error());
  return *end == FollowEnd::aborted ? kExitInterrupted : kExitOk;
}

}  // namespace drover::cli
