#include "cli/grammar/dispatch_options.h"

namespace drover::cli {

namespace {

constexpr std::string_view kSchedulesExamples = R"(Examples:
  drover schedules create --cron "30 2 * * *" --timezone Europe/Berlin "tidy up"
  drover schedules create --at 2026-12-01T09:00:00+01:00 -w ~/src/app "write the report"
  drover schedules create --event build.failed "look into {{event.data.job}}"
  drover schedules create --file job.json
  drover schedules next "*/15 9-17 * * mon-fri" --timezone America/New_York)";

Result<Command> make_schedule_create(Raw const& raw) {
  ScheduleCreateCommand command;
  auto const times =
      (raw.cron.empty() ? 0 : 1) + (raw.at.empty() ? 0 : 1) + (raw.event.empty() ? 0 : 1);
  if (raw.file.empty() ? times != 1 : times != 0)
    return fail(ErrorCode::invalid_argument,
                "schedules create takes exactly one of --cron, --at, --event and --file");
  if (raw.file.empty() && raw.prompt.empty())
    return fail(ErrorCode::invalid_argument, "schedules create needs a prompt, or --file");
  DROVER_TRY(check_id<ScheduleId>(raw.id));
  if (!raw.at.empty())
    if (auto const at = parse_rfc3339(raw.at); !at) return std::unexpected(at.error());
  auto const jitter = number_between<std::int64_t>("--jitter", raw.jitter, 0, 86400);
  if (!jitter) return std::unexpected(jitter.error());
  DROVER_TRY(read_limits(raw, command.run));
  command.run.workspaces = raw.workspaces;
  command.run.access = raw.read_only ? Access::read_only : Access::read_write;
  if (raw.worktree && raw.read_only)
    return fail(ErrorCode::invalid_argument,
                "--ro grants no writing, so --worktree has no use with it");
  if (raw.worktree) command.run.checkout = Checkout::worktree;
  command.file = raw.file;
  command.id = raw.id;
  command.cron = raw.cron;
  command.timezone = raw.timezone;
  command.at = raw.at;
  command.event = raw.event;
  command.misfire = raw.misfire;
  command.overlap = raw.overlap;
  command.jitter_s = *jitter;
  command.paused = raw.paused;
  return command;
}

Result<Command> make_schedule_action(Raw const& raw, ScheduleAction action) {
  auto schedule = ScheduleId::parse(raw.id);
  if (!schedule) return std::unexpected(schedule.error());
  return ScheduleActionCommand{action, *schedule, format_of(raw)};
}

Result<Command> make_schedule_history(Raw const& raw) {
  auto schedule = ScheduleId::parse(raw.id);
  if (!schedule) return std::unexpected(schedule.error());
  auto const limit = count_of("--limit", raw.limit, 20);
  if (!limit) return std::unexpected(limit.error());
  return ScheduleHistoryCommand{*schedule, *limit, format_of(raw)};
}

Result<Command> make_schedule_next(Raw const& raw) {
  auto const count = count_of("-n", raw.count, 5);
  if (!count) return std::unexpected(count.error());
  return ScheduleNextCommand{raw.cron, raw.timezone.empty() ? "UTC" : raw.timezone, raw.at, *count};
}

}  // namespace

void add_schedules(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto const list = [](Raw const& raw) {
    return Result<Command>{SchedulesCommand{format_of(raw)}};
  };
  auto* const schedules =
      grammar.add(grammar.app, "schedules", "Lists, makes, fires and cancels schedules.", list);
  grammar.json(schedules);
  schedules->require_subcommand(0, 1);
  grammar.json(grammar.add(*schedules, "list", "Lists schedules, the newest first.", list));

  auto* const create =
      grammar.add(*schedules, "create", "Makes a schedule; prints its id.", make_schedule_create);
  create->add_option("prompt,--prompt", into.prompt, "what to do; - reads it from stdin")
      ->type_name("");
  create->add_option("--cron", into.cron, "five fields, or @daily and the like")->type_name("CRON");
  create->add_option("--timezone", into.timezone, "of --cron (default UTC)")->type_name("ZONE");
  create->add_option("--at", into.at, "once: 2026-12-01T09:00:00+01:00")->type_name("TIME");
  create->add_option("--event", into.event, "upon events of this type")->type_name("TYPE");
  create->add_option("--file", into.file, "a job in JSON (schedule.v1); - is stdin")
      ->type_name("FILE");
  create->add_option("--id", into.id, "its id (default: a new one)")->type_name("ID");
  create->add_option("-w,--workspace", into.workspaces, "folder or workspace id (default .)")
      ->type_name("DIR")
      ->expected(1)
      ->take_all();
  create->add_flag("--ro", into.read_only, "grant reading only");
  create->add_flag("--worktree", into.worktree, "work on a branch in a linked worktree");
  create->add_option("--model", into.model, "anthropic/NAME, or scripted:FILE")->type_name("MODEL");
  create->add_option("--max-turns", into.max_turns, "most model calls of a run")->type_name("N");
  create->add_option("--max-budget-usd", into.budget, "most money of a run")->type_name("USD");
  create->add_option("--timeout", into.timeout, "most time of a run: 90s, 15m, 2h")
      ->type_name("TIME");
  create->add_option("--misfire", into.misfire, "skip, once (default) or all")->type_name("HOW");
  create->add_option("--overlap", into.overlap, "allow, queue (default), skip or replace")
      ->type_name("HOW");
  create->add_option("--jitter", into.jitter, "spread firings over so many seconds")
      ->type_name("N");
  create->add_flag("--paused", into.paused, "fire nothing until it is resumed");
  create->add_option("--idempotency-key", into.key, "the same key makes only one")
      ->type_name("KEY");
  grammar.json(create, "the schedule as JSON");

  using Action = std::pair<char const*, std::pair<char const*, ScheduleAction>>;
  for (auto const& [name, what] :
       {Action{"show", {"Shows a schedule.", ScheduleAction::show}},
        Action{"delete", {"Cancels a schedule; its history stays.", ScheduleAction::cancel}},
        Action{"pause", {"Fires nothing until it is resumed.", ScheduleAction::pause}},
        Action{"resume", {"Fires again.", ScheduleAction::resume}},
        Action{"run", {"Fires it now, paused or not.", ScheduleAction::run}}}) {
    auto* const sub = grammar.add(
        *schedules, name, what.first,
        [action = what.second](Raw const& raw) { return make_schedule_action(raw, action); });
    sub->add_option("schedule", into.id, "its id")->type_name("")->required();
    grammar.json(sub);
  }

  auto* const history =
      grammar.add(*schedules, "history", "Lists the firings of a schedule, newest first.",
                  make_schedule_history);
  history->add_option("schedule", into.id, "its id")->type_name("")->required();
  history->add_option("--limit", into.limit, "at most this many (default 20)")->type_name("N");
  grammar.json(history);

  auto* const next = grammar.add(*schedules, "next", "Prints when a cron expression fires next.",
                                 make_schedule_next);
  next->add_option("cron", into.cron, "the expression, in quotes")->type_name("")->required();
  next->add_option("--timezone", into.timezone, "default UTC")->type_name("ZONE");
  next->add_option("--after", into.at, "from this time on (default: now)")->type_name("TIME");
  next->add_option("-n,--count", into.count, "so many (default 5)")->type_name("N");
  schedules->footer(std::string{kSchedulesExamples});  // last: subcommands would inherit it
}

}  // namespace drover::cli
