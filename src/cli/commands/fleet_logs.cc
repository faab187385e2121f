#include <fmt/format.h>

#include <string>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/follow.h"
#include "cli/interrupt.h"
#include "cli/run_view.h"
#include "net/http_types.h"
#include "net/sse.h"

namespace drover::cli {

namespace {

constexpr Millis kIdle{45'000};  // three times the server's keep-alive
constexpr Millis kHead{20'000};
constexpr Millis kPause{500};

std::string path_of(FleetLogsCommand const& command) {
  std::string path =
      fmt::format("/agents/{}/logs?tail={}", net::percent_encode(command.agent), command.lines);
  if (!command.instance.empty())
    path += fmt::format("&instance={}", net::percent_encode(command.instance));
  if (command.follow == Follow::yes) path += "&follow=true";
  return path;
}

// The lines of one agent's containers, over lost connections and restarts of the server.
class LogReader {
 public:
  LogReader(Context const& context, FleetLogsCommand const& command)
      : context_(context), command_(command), path_(path_of(command)) {}

  Result<FollowEnd> read(Endpoint endpoint);

 private:
  [[nodiscard]] Status one_connection(Endpoint const& endpoint);
  [[nodiscard]] Status take(net::SseEvent const& event);
  void note(std::string const& line) { context_.screen.note("drover: " + line); }
  [[nodiscard]] static bool aborted() { return InterruptWatch::flag().load(); }

  Context const& context_;
  FleetLogsCommand const& command_;
  std::string path_;
  std::string last_;  // the id of what was seen last
  bool over_ = false;
  BootTime heard_{};
};

Status LogReader::take(net::SseEvent const& event) {
  auto const value = parse_json(event.data);
  if (!value || !value->is_object())
    return fail(ErrorCode::upstream, "the server sent an event that is no JSON object: {}",
                printable(event.data, 80));
  json::object const& object = value->get_object();
  if (!event.id.empty()) last_ = event.id;
  std::string const instance = printable(string_or(object, "instance", ""), 80);
  if (event.event == "line") {
    std::string const whose = command_.instance.empty() ? instance + "  " : "";
    context_.screen.print(whose + terminal_safe(string_or(object, "text", "")) + "\n");
    return context_.screen.write_error();
  }
  if (event.event == "replaced") note(fmt::format("{} goes on in a new container", instance));
  if (event.event == "gap") note(fmt::format("lines of {} are missing here", instance));
  if (event.event == "trouble")
    note(fmt::format("{}: {}", instance, printable(string_or(object, "reason", ""), 400)));
  if (event.event == "end") {
    note(fmt::format("{} has no container any more", printable(command_.agent)));
    over_ = true;
  }
  return {};
}

Status LogReader::one_connection(Endpoint const& endpoint) {
  ApiClient client{endpoint, &InterruptWatch::flag()};
  net::SseParser parser;
  Status failed;
  auto const streamed =
      client.stream(path_, last_, {.head = kHead, .idle = kIdle}, [&](std::string_view bytes) {
        heard_ = context_.clock.boot_now();
        auto const events = parser.feed(bytes);
        if (!events) failed = std::unexpected(events.error());
        if (!events) return net::StreamStep::stop;
        for (auto const& event : *events) {
          if (failed && !aborted()) failed = take(event);
        }
        return failed && !over_ && !aborted() ? net::StreamStep::more : net::StreamStep::stop;
      });
  if (!failed) return failed;
  if (over_ || aborted()) return {};
  if (!streamed) return streamed;
  return fail(ErrorCode::unavailable, "the server ended the stream");
}

Result<FollowEnd> LogReader::read(Endpoint endpoint) {
  heard_ = context_.clock.boot_now();
  bool told = false;
  for (;;) {
    BootTime const before = heard_;
    auto const status = one_connection(endpoint);
    if (aborted()) return FollowEnd::aborted;
    if (over_) return FollowEnd::complete;
    if (status) return FollowEnd::stopped;
    if (!is_passing(status.error())) return std::unexpected(status.error());
    if (heard_ > before) told = false;
    if (context_.clock.boot_now() - heard_ > kReconnectFor) return std::unexpected(status.error());
    if (!told) note("the connection to the server is lost; connecting again");
    told = true;
    pause_for(kPause, &InterruptWatch::flag());
    if (auto found = locate_again(context_)) endpoint = *std::move(found);
  }
}

}  // namespace

int execute(Context const& context, FleetLogsCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  if (command.follow == Follow::no) {
    auto const answer = client->get(path_of(command));
    if (!answer) return report(context, answer.error());
    context.screen.print(terminal_safe(string_or(*answer, "output", "")));
    return kExitOk;
  }
  InterruptWatch const watch;
  auto const end = LogReader{context, command}.read(client->endpoint());
  if (auto const written = context.screen.write_error(); !written)
    return report(context, written.error());
  if (!end) return report(context, end.error());
  return *end == FollowEnd::aborted ? kExitInterrupted : kExitOk;
}

}  // namespace drover::cli
