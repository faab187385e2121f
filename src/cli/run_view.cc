#include "cli/run_view.h"

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <optional>

#include "base/text.h"
#include "cli/diff_view.h"
#include "cli/exit_codes.h"
#include "cli/follow.h"
#include "cli/interrupt.h"
#include "cli/summary.h"
#include "cli/transcript.h"

namespace drover::cli {

namespace {

Result<RunRef> newest_run(ApiClient& client) {
  auto const answer = client.get("/runs?limit=1");
  if (!answer) return std::unexpected(answer.error());
  auto const* const runs = answer->if_contains("runs");
  if (runs == nullptr || !runs->is_array() || runs->get_array().empty() ||
      !runs->get_array().front().is_object())
    return fail_next(ErrorCode::not_found, "there is no run yet",
                     "start one with: drover run \"what to do\"");
  return run_ref_of(runs->get_array().front().get_object(), "id");
}

Result<RunRef> last_run_of(ApiClient& client, std::string const& session) {
  auto const answer = client.get("/sessions/" + session);
  if (!answer) return std::unexpected(answer.error());
  std::string_view const last = string_or(*answer, "last_run", "");
  if (last.empty()) return fail(ErrorCode::not_found, "session '{}' has no run yet", session);
  auto run = RunId::parse(last);
  if (!run) return std::unexpected(run.error());
  return RunRef{*std::move(run), SessionId::trusted(session)};
}

bool is_not_found(Error const& error) {
  return error.code == ErrorCode::not_found;
}

// One followed run: the state between events.
class Viewer {
 public:
  Viewer(Context const& context, ApiClient const& client, RunRef const& ref, RunView view)
      : context_(context),
        client_(client),
        ref_(ref),
        view_(view),
        renderer_(context.screen.out_style()) {}

  int follow();
  // The run has asked, and a person can answer here.
  [[nodiscard]] bool wants_answer() const;

 private:
  net::StreamStep on_event(std::string_view data, json::object const& event);
  int detach();
  int waiting();
  void show_end();
  void show_diff();
  bool attended() const { return context_.screen.out_style().device == Device::terminal; }

  Context const& context_;
  ApiClient const& client_;
  RunRef const& ref_;
  RunView view_;
  TranscriptRenderer renderer_;
  json::object end_;  // the turn-complete event
};

net::StreamStep Viewer::on_event(std::string_view data, json::object const& event) {
  Screen& screen = context_.screen;
  std::string const text = renderer_.on_event(event);
  screen.set_progress(renderer_.tally());
  if (view_.format == Format::json) {
    screen.print(json_line(data, screen.out_style()));
  } else {
    screen.print(text);
  }
  if (renderer_.tally().ended) end_ = event;
  if (!screen.write_error()) return net::StreamStep::stop;
  // A script would wait for ever; a person can watch until somebody has decided. An answer is
  // given by a command of its own.
  bool const waits = renderer_.tally().state == "waiting";
  bool const asks = renderer_.tally().reason == "waiting_input";
  return waits && (asks || !attended()) ? net::StreamStep::stop : net::StreamStep::more;
}

int Viewer::detach() {
  Screen& screen = context_.screen;
  if (view_.format == Format::text) screen.print(renderer_.finish());
  screen.note(
      fmt::format("Detached; {} goes on. Return with: drover attach {}", ref_.run, ref_.run));
  screen.note("Press Ctrl-C again within two seconds to cancel it.");
  if (!InterruptWatch::pressed_again_within(kCancelWindow)) return kExitInterrupted;
  auto endpoint = locate_again(context_);
  ApiClient client{endpoint ? *std::move(endpoint) : client_.endpoint()};
  auto const cancelled = client.post(fmt::format("/runs/{}/cancel", ref_.run), {});
  if (cancelled) {
    screen.note(fmt::format("Cancelled {}.", ref_.run));
  } else {
    screen.report(cancelled.error());
  }
  return kExitInterrupted;
}

int Viewer::waiting() {
  std::string const reason = renderer_.tally().reason;
  if (reason == "waiting_input") {
    if (view_.format == Format::text) context_.screen.print(renderer_.finish());
    if (wants_answer()) return kExitWaiting;
    context_.screen.note(fmt::format("drover: answer with: drover send {} \"…\"", ref_.session));
    return kExitWaiting;
  }
  context_.screen.note(
      fmt::format("drover: {} waits for a human{}; go on watching with: drover attach {}", ref_.run,
                  reason.empty() ? "" : " (" + reason + ")", ref_.run));
  return kExitWaiting;
}

bool Viewer::wants_answer() const {
  bool const asks =
      renderer_.tally().state == "waiting" && renderer_.tally().reason == "waiting_input";
  return asks && view_.format == Format::text && attended() && ::isatty(STDIN_FILENO) == 1;
}

void Viewer::show_diff() {
  Screen& screen = context_.screen;
  ApiClient client{client_.endpoint()};
  auto const answer = client.get(fmt::format("/runs/{}/diff", ref_.run));
  if (!answer) {
    screen.report(answer.error());
    return;
  }
  DiffView const diff =
      view_diff(string_or(*answer, "diff", ""), screen.out_style(), kDiffLinesMax);
  if (diff.text.empty()) return;
  screen.print("\n" + diff.text);
  if (diff.lines_left_out > 0)
    screen.note(fmt::format("({} more lines: drover diff {})", diff.lines_left_out, ref_.run));
}

void Viewer::show_end() {
  Screen& screen = context_.screen;
  Style const& style = screen.out_style();
  std::string const commits = render_commits(end_, style);
  screen.print("\n" + render_outcome(end_, style) + commits);
  if (!commits.empty() && view_.show_diff == ShowDiff::yes) show_diff();
  std::string const costs = render_costs(end_, style);
  if (!costs.empty()) screen.print("\n" + costs);
  screen.note(paint(screen.err_style(), Paint::dim,
                    fmt::format("go on with: drover send {} \"…\"", ref_.session)));
}

int Viewer::follow() {
  Screen& screen = context_.screen;
  InterruptWatch const watch;
  FollowRequest const request{.session = ref_.session, .run = ref_.run};
  FollowHooks const hooks{
      .on_event = [this](std::string_view data,
                         json::object const& event) { return on_event(data, event); },
      .on_notice = [&](std::string const& line) { screen.note("drover: " + line); },
      .locate = [this] { return locate_again(context_); }};
  screen.start_progress(context_.clock);
  auto const end =
      follow_events(client_.endpoint(), request, hooks, context_.clock, &InterruptWatch::flag());
  screen.stop_progress();
  if (auto const written = screen.write_error(); !written) return report(context_, written.error());
  if (!end) {
    if (view_.format == Format::text) screen.print(renderer_.finish());
    return report(context_, end.error());
  }
  if (*end == FollowEnd::aborted) return detach();
  if (*end == FollowEnd::history_end)
    return report(context_, Error{ErrorCode::not_found,
                                  fmt::format("the end of {} is no longer kept", ref_.run),
                                  "drover ps shows how it ended"});
  if (*end != FollowEnd::complete) return waiting();
  if (view_.format == Format::text) show_end();
  return exit_code_of_state(renderer_.tally().state);
}

}  // namespace

Result<RunRef> run_ref_of(json::object const& answer, std::string_view run_key) {
  auto run = RunId::parse(string_or(answer, run_key, ""));
  auto session = SessionId::parse(string_or(answer, "session", ""));
  if (!run || !session)
    return fail(ErrorCode::upstream, "the server's answer names no run or no session");
  return RunRef{*std::move(run), *std::move(session)};
}

Result<RunRef> find_run(ApiClient& client, std::string const& target) {
  if (target.empty()) return newest_run(client);
  // Both kinds of ids are slugs; drover's own say by their prefix which kind they are.
  if (target.starts_with("ses-")) return last_run_of(client, target);
  auto const run = client.get("/runs/" + target);
  if (run) return run_ref_of(*run, "id");
  if (!is_not_found(run.error()) || target.starts_with("run-")) return std::unexpected(run.error());
  auto ref = last_run_of(client, target);
  if (ref || !is_not_found(ref.error())) return ref;
  return fail_next(ErrorCode::not_found, fmt::format("there is no run or session '{}'", target),
                   "drover ps lists runs, drover sessions lists sessions");
}

Result<Endpoint> locate_again(Context const& context) {
  return discover(context.server_option, context.environment);
}

namespace {

// A line typed at the terminal; nullopt when it is empty or there is none.
std::optional<std::string> read_answer(Screen& screen) {
  screen.note("Your answer (an empty line leaves it for later):");
  std::string line;
  if (!std::getline(std::cin, line) || trim(line).empty()) return std::nullopt;
  return line;
}

Result<RunRef> send_answer(Context const& context, ApiClient const& known, SessionId const& session,
                           std::string const& answer) {
  ApiClient client{known.endpoint()};
  auto const sent =
      client.post(fmt::format("/sessions/{}/messages", session), {{"prompt", json::string{answer}}},
                  new_id_text("cli", context.clock, context.random));
  if (!sent) return std::unexpected(sent.error());
  return run_ref_of(*sent, "run");
}

}  // namespace

int follow_run(Context const& context, ApiClient const& client, RunRef const& ref, RunView view) {
  RunRef current = ref;
  for (;;) {
    Viewer viewer{context, client, current, view};
    int const code = viewer.follow();
    if (!viewer.wants_answer()) return code;
    auto const answer = read_answer(context.screen);
    if (!answer) {
      context.screen.note(
          fmt::format("drover: answer with: drover send {} \"…\"", current.session));
      return code;
    }
    auto next = send_answer(context, client, current.session, *answer);
    if (!next) return report(context, next.error());
    current = *std::move(next);
  }
}

}  // namespace drover::cli
