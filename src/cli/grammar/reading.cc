#include <algorithm>

#include "cli/grammar/grammar.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

Result<Command> make_ps(Raw const& raw) {
  static std::vector<std::string> const kStates = {
      "queued", "claimed", "running", "waiting", "committing", "succeeded", "failed", "cancelled"};
  DROVER_TRY(check_id<SessionId>(raw.session));
  if (!raw.state.empty() && std::ranges::find(kStates, raw.state) == kStates.end())
    return fail(ErrorCode::invalid_argument, "--state takes one of {}, and '{}' is none",
                fmt::join(kStates, ", "), printable(raw.state, 40));
  auto const limit = count_of("--limit", raw.limit, 20);
  if (!limit) return std::unexpected(limit.error());
  return PsCommand{raw.session, raw.state, *limit, format_of(raw)};
}

Result<Command> make_attach(Raw const& raw) {
  DROVER_TRY(check_id<RunId>(raw.target));
  return AttachCommand{raw.target, format_of(raw), show_diff_of(raw)};
}

Result<Command> make_logs(Raw const& raw) {
  DROVER_TRY(check_id<RunId>(raw.target));
  return LogsCommand{raw.target, raw.follow ? Follow::yes : Follow::no};
}

Result<Command> make_events(Raw const& raw) {
  DROVER_TRY(check_id<RunId>(raw.target));
  auto const after = number_between<std::int64_t>("--after", raw.after, 0, INT64_MAX);
  if (!after) return std::unexpected(after.error());
  return EventsCommand{raw.target, raw.follow ? Follow::yes : Follow::no, format_of(raw),
                       after->value_or(0)};
}

Result<Command> make_diff(Raw const& raw) {
  DROVER_TRY(check_id<RunId>(raw.target));
  return DiffCommand{raw.target, format_of(raw)};
}

Result<Command> make_cancel(Raw const& raw) {
  auto run = RunId::parse(raw.target);
  if (!run) return std::unexpected(run.error());
  return CancelCommand{*run, format_of(raw)};
}

}  // namespace

void add_reading(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto* const ps = grammar.add(grammar.app, "ps", "Lists runs, the newest first.", make_ps);
  ps->add_option("--session", into.session, "only of this session")->type_name("ID");
  ps->add_option("--state", into.state, "only in this state")->type_name("STATE");
  ps->add_option("--limit", into.limit, "at most this many (default 20)")->type_name("N");
  grammar.json(ps);

  auto* const attach = grammar.add(grammar.app, "attach",
                                   "Follows a run from its first event to its end.", make_attach);
  attach->add_option("target", into.target, "a run, or a session for its last run")->type_name("");
  attach->add_flag("--no-diff", into.no_diff, "leave the diff out at the end");
  grammar.json(attach, "one JSON event a line");

  auto* const logs = grammar.add(grammar.app, "logs", "Shows the transcript of a run.", make_logs);
  logs->add_option("run", into.target, "the run (default: the newest)")->type_name("");
  logs->add_flag("-f,--follow", into.follow, "go on until the run ends");

  auto* const events =
      grammar.add(grammar.app, "events", "Shows the events of a run.", make_events);
  events->add_option("run", into.target, "the run (default: the newest)")->type_name("");
  events->add_flag("-f,--follow", into.follow, "go on until the run ends");
  events->add_option("--after", into.after, "only events behind this number")->type_name("SEQ");
  grammar.json(events, "one JSON event a line");

  auto* const diff =
      grammar.add(grammar.app, "diff", "Shows what a run changed, as a unified diff.", make_diff);
  diff->add_option("run", into.target, "the run (default: the newest)")->type_name("");
  grammar.json(diff);

  auto* const cancel = grammar.add(grammar.app, "cancel", "Stops a run.", make_cancel);
  cancel->add_option("run", into.target, "the run")->type_name("")->required();
  grammar.json(cancel);
}

}  // namespace drover::cli
