#include "cli/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/text.h"

namespace drover::cli {

namespace {

constexpr std::int64_t kTurnsMax = 100'000;
constexpr double kBudgetUsdMax = 1e6;
constexpr std::int64_t kListLimitMax = 1000;
constexpr Millis kTimeoutMax = std::chrono::hours{24 * 30};
constexpr Millis kQueueTimeMax = std::chrono::hours{24 * 365};
constexpr std::int64_t kPriorityMax = 100;
constexpr std::int64_t kKeyShareMax = 1'000'000;
constexpr std::size_t kHelpColumn = 26;

constexpr std::string_view kOverview =
    R"(drover runs AI agents on your folders: isolated, recoverable, committed to git.

Usage: drover COMMAND [OPTIONS]

Work
  run          run a prompt in a folder and follow it
  send         continue a session with another message
  attach       follow a run again
  ps           list runs
  logs         show the transcript of a run
  events       show the events of a run
  diff         show what a run changed
  cancel       stop a run
  sessions     list or remove sessions; what a third-party worker is given
  land         merge a session's branch into the checked-out one
  workspaces   list, add or forget workspaces
  task-types   list, show, put or remove types of work
  queues       show what waits; pause and resume; limits
  dead-letters list, replay or discard the runs that the queue gave up
  schedules    start runs at a time, again and again, or upon an event

Server
  up           start the server if it does not run, and print its address
  down         stop the server that `up` started
  serve        run the server in the foreground
  worker       work on the runs of a server, here or on another machine
  backup       write all state into one archive, while the server works
  restore      put an archive in the place of the state
  model serve  serve a scripted model on loopback
  version      print the version

Examples
  drover run -w ~/src/app "make the failing test pass"
  drover run --worktree "try the new parser"
  (echo "review this:"; git diff) | drover run --ro -
  drover send SESSION "now add a test for it"

Options
  --server URL   use this server (also DROVER_SERVER, with DROVER_TOKEN)
  --help         help for a command: drover run --help

Exit status: 0 ok, 1 failed, 2 bad input, 3 server unreachable, 4 waiting for a human, 130 interrupted.
)";

constexpr std::string_view kRunExamples = R"(Examples:
  drover run "make the failing test pass"
  drover run -w ~/src/app --worktree --max-budget-usd 2 "upgrade the parser"
  drover run --ro - < question.txt
  drover run --detach --json "nightly clean-up" | jq -r .run

Ctrl-C detaches: the run goes on. A second Ctrl-C within two seconds cancels it.)";

constexpr std::string_view kSendExamples = R"(Example:
  drover send ses-01kx "now add a test for it")";

constexpr std::string_view kServerSettings = R"(Settings, from the environment:
  DROVER_STATE_DIR         the state folder
  ANTHROPIC_API_KEY        the provider's key
  DROVER_DISK_RESERVE_MB   room kept for the end of runs on a full disk (16; 0: none)
  DROVER_KEEP_EVENTS_DAYS  how long events of runs are kept (30; 0: for ever)
  DROVER_KEEP_EVENTS_MAX   and how many of one run (100000; 0: all)
  DROVER_THIRD_PARTY_RUNNERS  runners that third-party workers serve over Redis (none))";

constexpr std::string_view kWorkerExamples = R"(Examples:
  drover worker                            at the server of this machine
  DROVER_TOKEN=… drover worker --join http://10.0.0.5:7717 --pool gpu --slots 2
  drover worker --mode job --task-type background-agent

The run's folders have to be at the same paths as at the server. SIGTERM lets runs end and puts the
rest back; a second one ends at once. Also from the environment: DROVER_WORKER_MODE or
TASK_WORKER_MODE, and TASK_TYPE_FILTER (a list with commas).)";

constexpr std::string_view kSessionsExamples = R"(Examples:
  drover sessions
  drover sessions rm ses-01kx     its worktree and branch, once they are landed
  docker run --env-file <(drover sessions env ses-01kx) my-worker)";

constexpr std::string_view kWorkspacesExamples = R"(Examples:
  drover workspaces
  drover workspaces add ~/src/app
  drover workspaces rm app        forgets it; no file is touched)";

constexpr std::string_view kTaskTypesExamples = R"(Examples:
  drover task-types
  drover task-types show pr-review > review.json
  drover task-types apply -f review.json
  drover task-types rm pr-review    a built-in type of that name holds again
  drover run --task pr-review --payload '{"base": "main"}')";

constexpr std::string_view kQueuesExamples = R"(Examples:
  drover queues
  drover queues pause                   all: what runs goes on; nothing new starts
  drover queues resume type:background-agent
  drover queues limits > limits.json    # edit it
  drover queues limits -f limits.json   holds at once)";

constexpr std::string_view kDeadLettersExamples = R"(Examples:
  drover dead-letters
  drover dead-letters replay run-01kx    as a new run of the same session
  drover dead-letters discard run-01kx)";

constexpr std::string_view kSchedulesExamples = R"(Examples:
  drover schedules create --cron "30 2 * * *" --timezone Europe/Berlin "tidy up"
  drover schedules create --at 2026-12-01T09:00:00+01:00 -w ~/src/app "write the report"
  drover schedules create --event build.failed "look into {{event.data.job}}"
  drover schedules create --file job.json
  drover schedules next "*/15 9-17 * * mon-fri" --timezone America/New_York)";

constexpr std::string_view kBackupExamples = R"(Examples:
  drover backup                              drover-20261121T033427Z.tar.zst
  drover backup /mnt/backups/drover.tar.zst
  drover backup - | ssh other 'cat > drover.tar.zst'
  drover backup --verify drover.tar.zst

Workspaces are not in it: they stay where they are, in git.)";

constexpr std::string_view kRestoreExamples = R"(Examples:
  drover restore drover.tar.zst
  drover restore --replace drover.tar.zst    moves the state that is there aside

Never let two servers work on the same workspaces: stop the old one for good first.)";

// What the options leave behind; each subcommand binds the members it has.
struct Raw {
  std::string server, prompt, session, model, agent, key, max_turns, budget, timeout, target, state,
      limit, after, folder, id, strategy, script,
      host = "127.0.0.1", port, file, cron, timezone, at, event, misfire, overlap, jitter, count,
      broker, task_type, payload, priority, delay, tenant, dedup, token, mode, slots, lease, drain,
      runner;
  std::vector<std::string> workspaces, runs, keys, pools, task_types, labels;
  bool detach = false, json = false, read_only = false, read_write = false, worktree = false,
       allow_dirty = false, init = false, no_diff = false, follow = false, foreground = false,
       force = false, paused = false, verify = false, replace = false, no_worker = false,
       assigned = false;
};

Format format_of(Raw const& raw) {
  return raw.json ? Format::json : Format::text;
}
ShowDiff show_diff_of(Raw const& raw) {
  return raw.no_diff ? ShowDiff::no : ShowDiff::yes;
}
Init init_of(Raw const& raw) {
  return raw.init ? Init::if_needed : Init::never;
}

template <class Number>
Result<std::optional<Number>> number_between(std::string_view option, std::string const& text,
                                             Number low, Number high) {
  if (text.empty()) return std::nullopt;
  Number value{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool const whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || !(value >= low && value <= high))
    return fail(ErrorCode::invalid_argument, "{} takes a number from {} to {}, and '{}' is none",
                option, low, high, printable(text, 40));
  return value;
}

Result<std::uint16_t> port_of(std::string const& text) {
  auto const port = number_between<std::int64_t>("--port", text, 0, 65535);
  if (!port) return std::unexpected(port.error());
  return static_cast<std::uint16_t>(port->value_or(0));
}

Result<std::optional<Millis>> duration_of(std::string_view option, std::string const& text,
                                          Millis most) {
  if (text.empty()) return std::nullopt;
  auto const duration = parse_duration(text);
  if (!duration || *duration <= Millis{0} || *duration > most)
    return fail(ErrorCode::invalid_argument,
                "{} takes a duration such as 90s, 15m or 2h, and '{}' is none", option,
                printable(text, 40));
  return *duration;
}

// An option that takes an id: empty stays empty.
template <class IdType>
Status check_id(std::string const& text) {
  if (text.empty()) return {};
  auto const id = IdType::parse(text);
  if (!id) return std::unexpected(id.error());
  return {};
}

// Limits that `run` and `send` share.
template <class Dispatch>
Status read_limits(Raw const& raw, Dispatch& command) {
  auto const turns = number_between<std::int64_t>("--max-turns", raw.max_turns, 1, kTurnsMax);
  if (!turns) return std::unexpected(turns.error());
  auto const budget = number_between<double>("--max-budget-usd", raw.budget, 0, kBudgetUsdMax);
  if (!budget) return std::unexpected(budget.error());
  auto const timeout = duration_of("--timeout", raw.timeout, kTimeoutMax);
  if (!timeout) return std::unexpected(timeout.error());
  command.max_turns = *turns;
  command.max_budget_usd = *budget;
  command.timeout = *timeout;
  command.prompt = raw.prompt;
  command.model = raw.model;
  command.idempotency_key = raw.key;
  command.follow = raw.detach ? Follow::no : Follow::yes;
  command.format = format_of(raw);
  command.show_diff = show_diff_of(raw);
  return {};
}

// A level's name, or the number that the API takes.
Result<std::optional<std::int64_t>> priority_of(std::string const& text) {
  if (text.empty()) return std::nullopt;
  for (auto const& [name, priority] :
       {std::pair{"critical", 10}, {"high", 1}, {"normal", 0}, {"low", -1}})
    if (text == name) return priority;
  auto number = number_between<std::int64_t>("--priority", text, -kPriorityMax, kPriorityMax);
  if (number) return number;
  return fail(ErrorCode::invalid_argument,
              "--priority takes critical, high, normal, low or a number from {} to {}, and '{}' is "
              "none",
              -kPriorityMax, kPriorityMax, printable(text, 40));
}

// What stands behind the last colon, if it is of the kind that `fits`; a name may have colons.
template <class Fits>
std::pair<std::string, std::string> split_suffix(std::string const& text, Fits fits) {
  auto const colon = text.rfind(':');
  if (colon == std::string::npos || colon + 1 == text.size() || !fits(text.substr(colon + 1)))
    return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

Result<std::vector<KeyShare>> keys_of(std::vector<std::string> const& texts) {
  std::vector<KeyShare> keys;
  for (std::string const& text : texts) {
    auto const [name, most] = split_suffix(
        text, [](std::string const& end) { return std::ranges::all_of(end, is_digit); });
    auto const max = number_between<std::int64_t>("--key NAME:MAX", most, 1, kKeyShareMax);
    if (!max) return std::unexpected(max.error());
    keys.push_back({name, max->value_or(1)});
  }
  return keys;
}

Result<QueueWishes> queue_wishes_of(Raw const& raw) {
  QueueWishes wishes;
  auto const priority = priority_of(raw.priority);
  if (!priority) return std::unexpected(priority.error());
  wishes.priority = *priority;
  auto const delay = duration_of("--delay", raw.delay, kQueueTimeMax);
  if (!delay) return std::unexpected(delay.error());
  wishes.delay = *delay;
  if (wishes.delay && !raw.at.empty())
    return fail(ErrorCode::invalid_argument, "--delay and --at exclude each other");
  if (!raw.at.empty())
    if (auto const at = parse_rfc3339(raw.at); !at) return std::unexpected(at.error());
  wishes.at = raw.at;
  wishes.tenant = raw.tenant;
  auto keys = keys_of(raw.keys);
  if (!keys) return std::unexpected(keys.error());
  wishes.keys = *std::move(keys);
  // A bare number may well be part of the key: pr:123.
  auto const [key, life] = split_suffix(raw.dedup, [](std::string const& end) {
    return !is_digit(end.back()) && parse_duration(end).has_value();
  });
  wishes.dedup_key = key;
  auto const lives = duration_of("--dedup KEY:LIFE", life, kQueueTimeMax);
  if (!lives) return std::unexpected(lives.error());
  wishes.dedup_life = *lives;
  return wishes;
}

Result<Command> make_run(Raw const& raw) {
  RunCommand command;
  DROVER_TRY(read_limits(raw, command));
  auto wishes = queue_wishes_of(raw);
  if (!wishes) return std::unexpected(wishes.error());
  command.queue = *std::move(wishes);
  DROVER_TRY(check_id<SessionId>(raw.session));
  DROVER_TRY(check_id<AgentId>(raw.agent));
  if (raw.worktree && raw.allow_dirty)
    return fail(ErrorCode::invalid_argument,
                "--worktree and --allow-dirty exclude each other: a worktree leaves uncommitted "
                "changes where they are");
  if (raw.read_only && (raw.worktree || raw.allow_dirty || raw.read_write))
    return fail(ErrorCode::invalid_argument,
                "--ro grants no writing, so --rw, --worktree and --allow-dirty have no use with "
                "it");
  if (raw.prompt.empty() && raw.task_type.empty())
    return fail_next(ErrorCode::invalid_argument, "run needs a prompt in quotes, or - for stdin",
                     "see drover run --help");
  if (!raw.payload.empty() && raw.task_type.empty())
    return fail(ErrorCode::invalid_argument, "--payload goes with --task, which says what it is");
  command.task_type = raw.task_type;
  command.payload = raw.payload;
  command.workspaces = raw.workspaces;
  command.session = raw.session;
  command.agent = raw.agent;
  command.runner = raw.runner;
  bool const says_access = raw.read_write || raw.worktree || raw.allow_dirty;
  if (!raw.task_type.empty() && !says_access) command.access = Access::of_task;
  if (raw.read_only) command.access = Access::read_only;
  if (raw.worktree) command.checkout = Checkout::worktree;
  if (raw.allow_dirty) command.checkout = Checkout::allow_dirty;
  command.init = init_of(raw);
  return command;
}

Result<Command> make_send(Raw const& raw) {
  SendCommand command;
  auto session = SessionId::parse(raw.session);
  if (!session) return std::unexpected(session.error());
  command.session = *session;
  DROVER_TRY(read_limits(raw, command));
  return command;
}

Dispatch dispatch_of(Raw const& raw) {
  return raw.paused ? Dispatch::paused : Dispatch::running;
}

Result<Command> make_up(Raw const& raw) {
  auto const port = port_of(raw.port);
  if (!port) return std::unexpected(port.error());
  return UpCommand{raw.foreground ? Mode::foreground : Mode::background, *port, raw.broker,
                   dispatch_of(raw)};
}

Result<Millis> duration_between(std::string_view option, std::string const& text, Millis usual,
                                Millis low, Millis high) {
  if (text.empty()) return usual;
  auto const duration = parse_duration(text);
  if (!duration || *duration < low || *duration > high)
    return fail(ErrorCode::invalid_argument,
                "{} takes a duration from {} ms to {} s, such as 90s or 2m, and '{}' is none",
                option, low.count(), high.count() / 1000, printable(text, 40));
  return *duration;
}

Result<std::pair<std::string, std::string>> label_of(std::string const& text) {
  auto const middle = text.find('=');
  if (middle == std::string::npos || middle == 0 || middle + 1 == text.size())
    return fail(ErrorCode::invalid_argument, "--label takes NAME=VALUE, and '{}' is none",
                printable(text, 40));
  return std::pair{text.substr(0, middle), text.substr(middle + 1)};
}

using LabelList = std::vector<std::pair<std::string, std::string>>;
Result<LabelList> labels_of(std::vector<std::string> const& texts) {
  LabelList labels;
  for (std::string const& text : texts) {
    auto label = label_of(text);
    if (!label) return std::unexpected(label.error());
    labels.push_back(*std::move(label));
  }
  return labels;
}

Result<Command> make_serve(Raw const& raw) {
  auto const port = port_of(raw.port);
  if (!port) return std::unexpected(port.error());
  auto labels = labels_of(raw.labels);
  if (!labels) return std::unexpected(labels.error());
  return ServeCommand{raw.host,
                      *port,
                      raw.broker,
                      dispatch_of(raw),
                      raw.no_worker ? OwnWorker::no : OwnWorker::yes,
                      *std::move(labels)};
}

Result<Command> make_worker(Raw const& raw) {
  WorkerCommand command;
  command.token = raw.token;
  command.name = raw.id;
  command.broker = raw.broker;
  DROVER_TRY(check_id<WorkerId>(command.name));
  command.mode = raw.mode;
  command.pools = raw.pools;
  command.task_types = raw.task_types;
  auto labels = labels_of(raw.labels);
  if (!labels) return std::unexpected(labels.error());
  command.labels = *std::move(labels);
  auto const slots = number_between<std::int64_t>("--slots", raw.slots, 1, 1000);
  if (!slots) return std::unexpected(slots.error());
  command.slots = slots->value_or(command.slots);
  auto const lease =
      duration_between("--lease", raw.lease, command.lease, Millis{500}, std::chrono::hours{1});
  if (!lease) return std::unexpected(lease.error());
  command.lease = *lease;
  auto const drain = duration_between("--drain-timeout", raw.drain, command.drain, Millis{0},
                                      std::chrono::hours{24});
  if (!drain) return std::unexpected(drain.error());
  command.drain = *drain;
  command.assigned = raw.assigned;
  return command;
}

Result<Command> make_model_serve(Raw const& raw) {
  auto const port = port_of(raw.port);
  if (!port) return std::unexpected(port.error());
  return ModelServeCommand{raw.script, raw.host, *port};
}

Result<Command> make_backup(Raw const& raw) {
  if (!raw.verify) return BackupCommand{raw.file, BackupAct::write, format_of(raw)};
  if (raw.file.empty() || raw.file == "-")
    return fail(ErrorCode::invalid_argument, "backup --verify needs the file of a backup");
  return BackupCommand{raw.file, BackupAct::verify, format_of(raw)};
}

Result<Command> make_restore(Raw const& raw) {
  return RestoreCommand{raw.file, raw.replace ? OldState::move_aside : OldState::keep,
                        format_of(raw)};
}

Result<Command> make_ps(Raw const& raw) {
  static std::vector<std::string> const kStates = {
      "queued", "claimed", "running", "waiting", "committing", "succeeded", "failed", "cancelled"};
  DROVER_TRY(check_id<SessionId>(raw.session));
  if (!raw.state.empty() && std::ranges::find(kStates, raw.state) == kStates.end())
    return fail(ErrorCode::invalid_argument, "--state takes one of {}, and '{}' is none",
                fmt::join(kStates, ", "), printable(raw.state, 40));
  auto const limit = number_between<std::int64_t>("--limit", raw.limit, 1, kListLimitMax);
  if (!limit) return std::unexpected(limit.error());
  return PsCommand{raw.session, raw.state, limit->value_or(20), format_of(raw)};
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

Result<Command> make_land(Raw const& raw) {
  auto session = SessionId::parse(raw.session);
  if (!session) return std::unexpected(session.error());
  std::string const strategy = raw.strategy.empty() ? "auto" : raw.strategy;
  if (strategy != "auto" && strategy != "ff" && strategy != "merge")
    return fail(ErrorCode::invalid_argument, "--strategy takes auto, ff or merge, and '{}' is none",
                printable(strategy, 40));
  return LandCommand{*session, strategy, format_of(raw)};
}

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
  auto const limit = number_between<std::int64_t>("--limit", raw.limit, 1, kListLimitMax);
  if (!limit) return std::unexpected(limit.error());
  return ScheduleHistoryCommand{*schedule, limit->value_or(20), format_of(raw)};
}

Result<Command> make_schedule_next(Raw const& raw) {
  auto const count = number_between<std::int64_t>("-n", raw.count, 1, kListLimitMax);
  if (!count) return std::unexpected(count.error());
  return ScheduleNextCommand{raw.cron, raw.timezone.empty() ? "UTC" : raw.timezone, raw.at,
                             count->value_or(5)};
}

Result<Command> make_workspace_add(Raw const& raw) {
  DROVER_TRY(check_id<WorkspaceId>(raw.id));
  return WorkspaceAddCommand{raw.folder.empty() ? "." : raw.folder, raw.id, init_of(raw),
                             format_of(raw)};
}

Result<Command> make_session_remove(Raw const& raw) {
  auto session = SessionId::parse(raw.session);
  if (!session) return std::unexpected(session.error());
  return SessionRemoveCommand{*session, raw.force ? Removal::force : Removal::landed_only};
}

Result<Command> make_session_environment(Raw const& raw) {
  auto session = SessionId::parse(raw.session);
  if (!session) return std::unexpected(session.error());
  return SessionEnvironmentCommand{*session, format_of(raw)};
}

Result<Command> make_workspace_remove(Raw const& raw) {
  auto workspace = WorkspaceId::parse(raw.id);
  if (!workspace) return std::unexpected(workspace.error());
  return WorkspaceRemoveCommand{*workspace};
}

Result<Command> make_task_type_show(Raw const& raw) {
  return TaskTypeShowCommand{raw.task_type, format_of(raw)};
}

Result<Command> make_task_type_apply(Raw const& raw) {
  return TaskTypeApplyCommand{raw.file, format_of(raw)};
}

Result<Command> make_queue_change(QueueChange change, Raw const& raw) {
  return QueueChangeCommand{change, raw.target.empty() ? "all" : raw.target};
}

Result<Command> make_dead_letters(Raw const& raw) {
  auto const limit = number_between<std::int64_t>("--limit", raw.limit, 1, kListLimitMax);
  if (!limit) return std::unexpected(limit.error());
  return DeadLettersCommand{limit->value_or(50), format_of(raw)};
}

Result<Command> make_dead_letter_end(DeadLetterEnd end, Raw const& raw) {
  DeadLetterEndCommand command{end, {}, format_of(raw)};
  for (std::string const& text : raw.runs) {
    auto run = RunId::parse(text);
    if (!run) return std::unexpected(run.error());
    command.runs.push_back(*std::move(run));
  }
  return command;
}

// The CLI11 side: one App with what each subcommand takes and makes.
class Parser {
 public:
  Parser() : app_("drover", "drover") {
    // The overview is written by hand; CLI11 only takes part in parsing.
    app_.set_help_flag("");
    app_.add_option("--server", raw_.server);
    app_.require_subcommand(0, 1);
    add_work();
    add_reading();
    add_sessions();
    add_task_types();
    add_queues();
    add_schedules();
    add_server();
  }

  Result<CommandLine> parse(std::span<std::string const> arguments);

 private:
  using Make = std::function<Result<Command>(Raw const&)>;
  struct Sub {
    CLI::App* app;
    Make make;
  };

  CLI::App* add(CLI::App& parent, std::string const& name, std::string const& what, Make make) {
    CLI::App* const sub = parent.add_subcommand(name, what);
    sub->set_help_flag("-h,--help", "print this help");
    sub->get_formatter()->column_width(kHelpColumn);
    sub->get_formatter()->label("REQUIRED", "");
    sub->add_option("--server", raw_.server, "use this server")->type_name("URL");
    subs_.push_back({sub, std::move(make)});
    return sub;
  }
  void json(CLI::App* sub, std::string const& what = "one JSON object a line") {
    sub->add_flag("--json", raw_.json, what);
  }
  void dispatch_options(CLI::App* sub);
  void queue_options(CLI::App* sub);
  void add_work();
  void add_reading();
  void add_sessions();
  void add_task_types();
  void add_queues();
  void add_schedules();
  void add_server();
  [[nodiscard]] Sub const* chosen() const;
  [[nodiscard]] Result<CommandLine> unknown_words(std::span<std::string const> arguments) const;
  [[nodiscard]] Error sentence(CLI::ParseError const& error) const;
  // The sentence for a word that a command does not take, and the next step where one is likely.
  [[nodiscard]] static std::pair<std::string, std::string> unexpected_word(
      CLI::App const& app, std::string const& name, std::vector<std::string> const& extras);

  CLI::App app_;
  Raw raw_;
  std::vector<Sub> subs_;
};

void Parser::dispatch_options(CLI::App* sub) {
  sub->add_option("--model", raw_.model, "anthropic/NAME, or scripted:FILE")->type_name("MODEL");
  sub->add_option("--max-turns", raw_.max_turns, "most model calls")->type_name("N");
  sub->add_option("--max-budget-usd", raw_.budget, "most money")->type_name("USD");
  sub->add_option("--timeout", raw_.timeout, "most time: 90s, 15m, 2h")->type_name("TIME");
  sub->add_flag("--detach", raw_.detach, "print the run's id and return");
  sub->add_flag("--no-diff", raw_.no_diff, "leave the diff out at the end");
  sub->add_option("--idempotency-key", raw_.key, "the same key dispatches only once")
      ->type_name("KEY");
  json(sub, "one JSON event a line");
}

void Parser::queue_options(CLI::App* sub) {
  sub->add_option("--priority", raw_.priority, "critical, high, normal or low, or -100 to 100")
      ->type_name("LEVEL");
  sub->add_option("--delay", raw_.delay, "start no earlier than in: 30s, 15m, 2h")
      ->type_name("TIME");
  sub->add_option("--at", raw_.at, "start no earlier than: 2026-12-01T09:00:00+01:00")
      ->type_name("TIME");
  sub->add_option("--key", raw_.keys, "with others of this key, MAX at once (default 1)")
      ->type_name("NAME[:MAX]")
      ->take_all()
      ->allow_extra_args(false);
  sub->add_option("--tenant", raw_.tenant, "whose share of the workers it takes (default: yours)")
      ->type_name("NAME");
  sub->add_option("--dedup", raw_.dedup,
                  "start nothing while KEY lives (default 24h) from an "
                  "earlier run; that one is followed")
      ->type_name("KEY[:LIFE]");
}

void Parser::add_work() {
  auto* const run = add(app_, "run", "Runs a prompt in a folder and follows it.", make_run);
  run->add_option("prompt", raw_.prompt, "what to do; - reads it from stdin")->type_name("");
  run->add_option("--task", raw_.task_type, "the type of work; its own prompt may be enough")
      ->type_name("TYPE");
  run->add_option("--payload", raw_.payload, "what the type takes: JSON, or @FILE")
      ->type_name("JSON");
  run->add_option("-w,--workspace", raw_.workspaces, "folder or workspace id (default .)")
      ->type_name("DIR")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);  // the prompt may follow
  run->add_option("--session", raw_.session, "continue this session")->type_name("ID");
  run->add_option("--agent", raw_.agent, "the agent to run")->type_name("NAME");
  run->add_option("--runner", raw_.runner, "native (default), or a third-party worker's")
      ->type_name("NAME");
  run->add_flag("--ro", raw_.read_only, "grant reading only");
  run->add_flag("--rw", raw_.read_write, "grant writing (default, but with --task what it says)");
  run->add_flag("--worktree", raw_.worktree, "work on a branch in a linked worktree");
  run->add_flag("--allow-dirty", raw_.allow_dirty, "commit your uncommitted changes first");
  run->add_flag("--init", raw_.init, "make the folder a git repository if it is none");
  dispatch_options(run);
  queue_options(run);
  run->footer(std::string{kRunExamples});

  auto* const send =
      add(app_, "send", "Continues a session with another message and follows it.", make_send);
  send->add_option("session", raw_.session, "the session")->type_name("")->required();
  send->add_option("prompt", raw_.prompt, "what to do; - reads it from stdin")
      ->type_name("")
      ->required();
  dispatch_options(send);
  send->footer(std::string{kSendExamples});
}

void Parser::add_reading() {
  auto* const ps = add(app_, "ps", "Lists runs, the newest first.", make_ps);
  ps->add_option("--session", raw_.session, "only of this session")->type_name("ID");
  ps->add_option("--state", raw_.state, "only in this state")->type_name("STATE");
  ps->add_option("--limit", raw_.limit, "at most this many (default 20)")->type_name("N");
  json(ps);

  auto* const attach =
      add(app_, "attach", "Follows a run from its first event to its end.", make_attach);
  attach->add_option("target", raw_.target, "a run, or a session for its last run")->type_name("");
  attach->add_flag("--no-diff", raw_.no_diff, "leave the diff out at the end");
  json(attach, "one JSON event a line");

  auto* const logs = add(app_, "logs", "Shows the transcript of a run.", make_logs);
  logs->add_option("run", raw_.target, "the run (default: the newest)")->type_name("");
  logs->add_flag("-f,--follow", raw_.follow, "go on until the run ends");

  auto* const events = add(app_, "events", "Shows the events of a run.", make_events);
  events->add_option("run", raw_.target, "the run (default: the newest)")->type_name("");
  events->add_flag("-f,--follow", raw_.follow, "go on until the run ends");
  events->add_option("--after", raw_.after, "only events behind this number")->type_name("SEQ");
  json(events, "one JSON event a line");

  auto* const diff = add(app_, "diff", "Shows what a run changed, as a unified diff.", make_diff);
  diff->add_option("run", raw_.target, "the run (default: the newest)")->type_name("");
  json(diff);

  auto* const cancel = add(app_, "cancel", "Stops a run.", make_cancel);
  cancel->add_option("run", raw_.target, "the run")->type_name("")->required();
  json(cancel);
}

void Parser::add_sessions() {
  auto* const sessions = add(app_, "sessions", "Lists or removes sessions.", [](Raw const& raw) {
    return Result<Command>{SessionsCommand{format_of(raw)}};
  });
  json(sessions);
  sessions->require_subcommand(0, 1);
  auto* const gone =
      add(*sessions, "rm", "Removes a session with its worktree and branch; its runs stay listed.",
          make_session_remove);
  gone->add_option("session", raw_.session, "the session")->type_name("")->required();
  gone->add_flag("--force", raw_.force, "also what is not merged or not committed");
  auto* const env =
      add(*sessions, "env", "Prints what the program of a third-party worker is given.",
          make_session_environment);
  env->add_option("session", raw_.session, "the session")->type_name("")->required();
  json(env, "one JSON object");
  sessions->footer(std::string{kSessionsExamples});  // last: subcommands would inherit it

  auto* const land =
      add(app_, "land", "Merges a session's branch into the checked-out one.", make_land);
  land->add_option("session", raw_.session, "the session")->type_name("")->required();
  land->add_option("--strategy", raw_.strategy, "auto (default), ff or merge")->type_name("HOW");
  json(land);

  auto* const workspaces =
      add(app_, "workspaces", "Lists, adds or forgets workspaces.",
          [](Raw const& raw) { return Result<Command>{WorkspacesCommand{format_of(raw)}}; });
  json(workspaces);
  workspaces->require_subcommand(0, 1);
  auto* const added =
      add(*workspaces, "add", "Makes a folder under git a workspace.", make_workspace_add);
  added->add_option("folder", raw_.folder, "the folder (default .)")->type_name("");
  added->add_option("--id", raw_.id, "its id (default: from its name)")->type_name("ID");
  added->add_flag("--init", raw_.init, "make it a git repository if it is none");
  json(added);
  auto* const removed =
      add(*workspaces, "rm", "Forgets a workspace; touches no file.", make_workspace_remove);
  removed->add_option("workspace", raw_.id, "its id")->type_name("")->required();
  workspaces->footer(std::string{kWorkspacesExamples});  // last: subcommands would inherit it
}

void Parser::add_task_types() {
  auto const list = [](Raw const& raw) {
    return Result<Command>{TaskTypesCommand{format_of(raw)}};
  };
  auto* const types =
      add(app_, "task-types", "Lists, shows, puts and removes types of work.", list);
  json(types);
  types->require_subcommand(0, 1);
  json(add(*types, "list", "Lists them by name.", list));
  auto* const show = add(*types, "show", "Prints a type as JSON, to read or to edit and apply.",
                         make_task_type_show);
  show->add_option("type", raw_.task_type, "its name")->type_name("")->required();
  json(show);
  auto* const apply =
      add(*types, "apply", "Puts a type, new or in place of an earlier one.", make_task_type_apply);
  apply->add_option("-f,--file", raw_.file, "the type, in TOML or JSON; - is JSON from stdin")
      ->type_name("FILE")
      ->required();
  json(apply);
  auto* const removed = add(*types, "rm", "Removes a type that was applied.", [](Raw const& raw) {
    return Result<Command>{TaskTypeRemoveCommand{raw.task_type}};
  });
  removed->add_option("type", raw_.task_type, "its name")->type_name("")->required();
  types->footer(std::string{kTaskTypesExamples});  // last: subcommands would inherit it
}

void Parser::add_queues() {
  auto const list = [](Raw const& raw) { return Result<Command>{QueuesCommand{format_of(raw)}}; };
  auto* const queues = add(app_, "queues", "Shows what waits; pauses and resumes.", list);
  json(queues);
  queues->require_subcommand(0, 1);
  json(add(*queues, "list", "Shows what waits, by pool, task type and tenant.", list));
  auto* const limits = add(*queues, "limits", "Shows or sets what may work at once.",
                           [](Raw const& raw) -> Result<Command> {
                             return QueueLimitsCommand{raw.file, format_of(raw)};
                           });
  limits->add_option("-f,--file", raw_.file, "set these, in TOML or JSON; - is JSON from stdin")
      ->type_name("FILE");
  json(limits);
  for (auto const& [name, what, change] :
       {std::tuple{"pause", "Gives out no more work; what runs goes on.", QueueChange::pause},
        {"resume", "Gives out work again.", QueueChange::resume}}) {
    auto* const one = add(*queues, name, what,
                          [change](Raw const& raw) { return make_queue_change(change, raw); });
    one->add_option("queue", raw_.target, "all (default), pool:NAME or type:NAME")->type_name("");
  }
  queues->footer(std::string{kQueuesExamples});

  auto* const letters =
      add(app_, "dead-letters", "Lists, replays or discards the runs that the queue gave up.",
          make_dead_letters);
  letters->add_option("--limit", raw_.limit, "at most so many (default 50)")->type_name("N");
  json(letters);
  letters->require_subcommand(0, 1);
  auto* const listed = add(*letters, "list", "Lists them, the last first.", make_dead_letters);
  listed->add_option("--limit", raw_.limit, "at most so many (default 50)")->type_name("N");
  json(listed);
  for (auto const& [name, what, end] :
       {std::tuple{"replay", "Dispatches each as a new run.", DeadLetterEnd::replay},
        {"discard", "Forgets them.", DeadLetterEnd::discard}}) {
    auto* const one =
        add(*letters, name, what, [end](Raw const& raw) { return make_dead_letter_end(end, raw); });
    one->add_option("runs", raw_.runs, "the runs")->type_name("")->required();
    json(one);
  }
  letters->footer(std::string{kDeadLettersExamples});
}

void Parser::add_schedules() {
  auto const list = [](Raw const& raw) {
    return Result<Command>{SchedulesCommand{format_of(raw)}};
  };
  auto* const schedules =
      add(app_, "schedules", "Lists, makes, fires and cancels schedules.", list);
  json(schedules);
  schedules->require_subcommand(0, 1);
  json(add(*schedules, "list", "Lists schedules, the newest first.", list));

  auto* const create =
      add(*schedules, "create", "Makes a schedule; prints its id.", make_schedule_create);
  create->add_option("prompt,--prompt", raw_.prompt, "what to do; - reads it from stdin")
      ->type_name("");
  create->add_option("--cron", raw_.cron, "five fields, or @daily and the like")->type_name("CRON");
  create->add_option("--timezone", raw_.timezone, "of --cron (default UTC)")->type_name("ZONE");
  create->add_option("--at", raw_.at, "once: 2026-12-01T09:00:00+01:00")->type_name("TIME");
  create->add_option("--event", raw_.event, "upon events of this type")->type_name("TYPE");
  create->add_option("--file", raw_.file, "a job in JSON (schedule.v1); - is stdin")
      ->type_name("FILE");
  create->add_option("--id", raw_.id, "its id (default: a new one)")->type_name("ID");
  create->add_option("-w,--workspace", raw_.workspaces, "folder or workspace id (default .)")
      ->type_name("DIR")
      ->expected(1)
      ->take_all();
  create->add_flag("--ro", raw_.read_only, "grant reading only");
  create->add_flag("--worktree", raw_.worktree, "work on a branch in a linked worktree");
  create->add_option("--model", raw_.model, "anthropic/NAME, or scripted:FILE")->type_name("MODEL");
  create->add_option("--max-turns", raw_.max_turns, "most model calls of a run")->type_name("N");
  create->add_option("--max-budget-usd", raw_.budget, "most money of a run")->type_name("USD");
  create->add_option("--timeout", raw_.timeout, "most time of a run: 90s, 15m, 2h")
      ->type_name("TIME");
  create->add_option("--misfire", raw_.misfire, "skip, once (default) or all")->type_name("HOW");
  create->add_option("--overlap", raw_.overlap, "allow, queue (default), skip or replace")
      ->type_name("HOW");
  create->add_option("--jitter", raw_.jitter, "spread firings over so many seconds")
      ->type_name("N");
  create->add_flag("--paused", raw_.paused, "fire nothing until it is resumed");
  create->add_option("--idempotency-key", raw_.key, "the same key makes only one")
      ->type_name("KEY");
  json(create, "the schedule as JSON");

  using Action = std::pair<char const*, std::pair<char const*, ScheduleAction>>;
  for (auto const& [name, what] :
       {Action{"show", {"Shows a schedule.", ScheduleAction::show}},
        Action{"delete", {"Cancels a schedule; its history stays.", ScheduleAction::cancel}},
        Action{"pause", {"Fires nothing until it is resumed.", ScheduleAction::pause}},
        Action{"resume", {"Fires again.", ScheduleAction::resume}},
        Action{"run", {"Fires it now, paused or not.", ScheduleAction::run}}}) {
    auto* const sub = add(*schedules, name, what.first, [action = what.second](Raw const& raw) {
      return make_schedule_action(raw, action);
    });
    sub->add_option("schedule", raw_.id, "its id")->type_name("")->required();
    json(sub);
  }

  auto* const history = add(*schedules, "history", "Lists the firings of a schedule, newest first.",
                            make_schedule_history);
  history->add_option("schedule", raw_.id, "its id")->type_name("")->required();
  history->add_option("--limit", raw_.limit, "at most this many (default 20)")->type_name("N");
  json(history);

  auto* const next =
      add(*schedules, "next", "Prints when a cron expression fires next.", make_schedule_next);
  next->add_option("cron", raw_.cron, "the expression, in quotes")->type_name("")->required();
  next->add_option("--timezone", raw_.timezone, "default UTC")->type_name("ZONE");
  next->add_option("--after", raw_.at, "from this time on (default: now)")->type_name("TIME");
  next->add_option("-n,--count", raw_.count, "so many (default 5)")->type_name("N");
  schedules->footer(std::string{kSchedulesExamples});  // last: subcommands would inherit it
}

void Parser::add_server() {
  auto* const up =
      add(app_, "up", "Starts the server if it does not run, and prints its address.", make_up);
  up->add_flag("--foreground", raw_.foreground, "run it here instead of in the background");
  up->add_option("--port", raw_.port, "listen here (default: any free port)")->type_name("PORT");
  constexpr auto const* kBroker =
      "Redis that carries work to other workers and events to other readers: redis://host, "
      "rediss://host or unix:///path (also DROVER_BROKER, the place for one with a password)";
  up->add_option("--broker", raw_.broker, kBroker)->type_name("URL");
  constexpr auto const* kPaused = "give out no work until: drover queues resume";
  up->add_flag("--paused", raw_.paused, kPaused);
  up->footer(std::string{kServerSettings});

  auto* const serve = add(app_, "serve", "Runs the server in the foreground.", make_serve);
  serve->add_option("--host", raw_.host, "address to listen on (default 127.0.0.1)")
      ->type_name("ADDRESS");
  serve->add_option("--port", raw_.port, "listen here (default: any free port)")->type_name("PORT");
  serve->add_option("--broker", raw_.broker, kBroker)->type_name("URL");
  serve->add_flag("--no-worker", raw_.no_worker, "work on no run here: drover worker does");
  constexpr auto const* kLabels =
      "what it has, for tasks that ask for it; repeatable (also DROVER_WORKER_LABELS, with commas)";
  serve->add_option("--label", raw_.labels, kLabels)
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all();
  serve->add_flag("--paused", raw_.paused, kPaused);
  serve->footer(std::string{kServerSettings});

  auto* const worker = add(
      app_, "worker", "Works on the runs of a server, here or on another machine.", make_worker);
  worker->add_option("--join", raw_.server, "the server's address (default: as other commands)")
      ->type_name("URL");
  worker
      ->add_option("--broker", raw_.broker,
                   "the server's Redis, for work to come by it (also DROVER_BROKER)")
      ->type_name("URL");
  worker->add_option("--token", raw_.token, "its token (better: DROVER_TOKEN)")->type_name("TOKEN");
  worker
      ->add_option("--mode", raw_.mode,
                   "daemon; job: one run, then exit; hybrid: a job of its own for each run that "
                   "nobody waits "
                   "for (default: as its pool says, else daemon)")
      ->type_name("MODE");
  worker->add_option("--pool", raw_.pools, "only runs of this pool; repeatable")
      ->type_name("POOL")
      ->expected(1)
      ->take_all();
  worker->add_option("--task-type", raw_.task_types, "only runs of this type; repeatable")
      ->type_name("TYPE")
      ->expected(1)
      ->take_all();
  worker->add_option("--label", raw_.labels, kLabels)
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all();
  worker->add_option("--slots", raw_.slots, "runs at once (default 8)")->type_name("N");
  worker->add_option("--lease", raw_.lease, "a run is taken from a worker this long silent (90s)")
      ->type_name("TIME");
  worker->add_option("--drain-timeout", raw_.drain, "for runs to end after SIGTERM (30s)")
      ->type_name("TIME");
  worker->add_option("--name", raw_.id, "of this worker's state folder (default: a free number)")
      ->type_name("NAME");
  // What a hybrid worker starts; nobody else needs it.
  worker->add_flag("--assigned", raw_.assigned)->group("");
  worker->footer(std::string{kWorkerExamples});

  add(app_, "down", "Stops the server that `drover up` started.",
      [](Raw const&) { return Result<Command>{DownCommand{}}; });

  auto* const backup = add(
      app_, "backup", "Writes all state into one archive, while the server works.", make_backup);
  backup->add_option("file", raw_.file, "the archive; - for stdout (default: named by the time)")
      ->type_name("");
  backup->add_flag("--verify", raw_.verify, "only read a backup and say whether it is whole");
  json(backup);
  backup->footer(std::string{kBackupExamples});

  auto* const restore =
      add(app_, "restore", "Puts an archive in the place of the state folder.", make_restore);
  restore->add_option("file", raw_.file, "the archive")->type_name("")->required();
  restore->add_flag("--replace", raw_.replace, "move the state that is there aside");
  json(restore);
  restore->footer(std::string{kRestoreExamples});

  auto* const model = app_.add_subcommand("model", "Tools for models.");
  model->set_help_flag("-h,--help", "print this help");
  model->require_subcommand(1, 1);
  auto* const model_serve =
      add(*model, "serve", "Serves a scripted model on loopback, in the wire format of the API.",
          make_model_serve);
  model_serve->add_option("script", raw_.script, "the script's file")->type_name("")->required();
  model_serve->add_option("--host", raw_.host, "address to listen on (default 127.0.0.1)")
      ->type_name("ADDRESS");
  model_serve->add_option("--port", raw_.port, "listen here (default: any free port)")
      ->type_name("PORT");

  auto* const version = add(app_, "version", "Prints the version.", [](Raw const& raw) {
    return Result<Command>{VersionCommand{format_of(raw)}};
  });
  json(version);
}

Parser::Sub const* Parser::chosen() const {
  // The innermost parsed one: `workspaces add` is behind `workspaces`.
  Sub const* found = nullptr;
  for (Sub const& sub : subs_)
    if (sub.app->parsed()) found = &sub;
  return found;
}

// CLI11 would call a mistyped command an unexpected argument; this says which command was meant.
Result<CommandLine> Parser::unknown_words(std::span<std::string const> arguments) const {
  auto const word =
      std::ranges::find_if(arguments, [](auto const& a) { return !a.starts_with('-'); });
  if (word == arguments.end())
    return fail_next(
        ErrorCode::invalid_argument,
        fmt::format("there is no option '{}' before a command", printable(arguments.front(), 40)),
        "see drover --help");
  std::vector<std::string> names;
  for (CLI::App const* sub : app_.get_subcommands({}))
    names.push_back(sub->get_name());
  std::string const near = nearest_word(*word, names);
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("there is no command '{}'", printable(*word, 40)),
                   near.empty() ? "see drover --help" : fmt::format("did you mean '{}'?", near));
}

std::pair<std::string, std::string> Parser::unexpected_word(
    CLI::App const& app, std::string const& name, std::vector<std::string> const& extras) {
  std::string const& extra = extras.front();
  std::vector<std::string> known;
  if (extra.starts_with('-')) {
    for (CLI::Option const* option : app.get_options())
      for (std::string const& word : option->get_lnames())
        known.push_back("--" + word);
    std::string const near = nearest_word(extra.substr(0, extra.find('=')), known);
    return {fmt::format("{} has no option {}", name, printable(extra, 40)),
            near.empty() ? "" : fmt::format("did you mean {}?", near)};
  }
  for (CLI::App const* sub : app.get_subcommands({}))
    known.push_back(sub->get_name());
  std::string const near = nearest_word(extra, known);
  std::string next = near.empty() ? "" : fmt::format("did you mean {} {}?", name, near);
  if (name == "run" || name == "send") next = "put the prompt in quotes";
  return {fmt::format("{} does not take the argument '{}'", name, printable(extra, 40)),
          std::move(next)};
}

Error Parser::sentence(CLI::ParseError const& error) const {
  CLI::App const* app = &app_;
  std::string name;
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    name += (name.empty() ? "" : " ") + app->get_name();
  }
  std::string const help = fmt::format("see drover {} --help", name);
  auto const bad = [](std::string message, std::string next) {
    return Error{ErrorCode::invalid_argument, std::move(message), std::move(next)};
  };
  if (auto const extras = app->remaining(); !extras.empty()) {
    auto const [message, next] = unexpected_word(*app, name, extras);
    return bad(message, next.empty() ? help : next);
  }
  if (dynamic_cast<CLI::RequiredError const*>(&error) != nullptr) {
    for (CLI::Option const* option : app->get_options())
      if (option->get_required() && option->count() == 0)
        return bad(fmt::format("{} needs {}", name,
                               option->get_name() == "prompt"
                                   ? "a prompt in quotes, or - for stdin"
                                   : fmt::format("a {} to work on", option->get_name())),
                   help);
    return bad(fmt::format("{} needs a subcommand", name), help);
  }
  std::string_view const what = error.what();
  // "--model: 1 required MODEL missing"
  if (dynamic_cast<CLI::ArgumentMismatch const*>(&error) != nullptr && what.contains(':'))
    return bad(
        fmt::format("{}: {} needs a value", name, printable(what.substr(0, what.find(':')), 40)),
        help);
  return bad(fmt::format("{}: {}", name, printable(what, 200)), help);
}

Result<CommandLine> Parser::parse(std::span<std::string const> arguments) {
  if (arguments.empty() || arguments.front() == "--help" || arguments.front() == "-h" ||
      arguments.front() == "help")
    return CommandLine{HelpCommand{std::string{kOverview}}, {}};
  if (arguments.front() == "--version") return CommandLine{VersionCommand{}, {}};
  std::vector<std::string> reversed{arguments.rbegin(), arguments.rend()};
  try {
    app_.parse(reversed);
  } catch (CLI::CallForHelp const&) {
    return CommandLine{HelpCommand{app_.help()}, {}};  // of the subcommand that was named
  } catch (CLI::ParseError const& error) {
    if (app_.get_subcommands().empty()) return unknown_words(arguments);
    return std::unexpected(sentence(error));
  }
  Sub const* const sub = chosen();
  if (sub == nullptr) return unknown_words(arguments);
  auto command = sub->make(raw_);
  if (!command) return std::unexpected(std::move(command).error());
  return CommandLine{*std::move(command), raw_.server};
}

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j)
    row[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      std::size_t const replaced = diagonal + (left[i - 1] == right[j - 1] ? 0U : 1U);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_word(std::string_view word, std::span<std::string const> known) {
  constexpr std::size_t kWordBytesMax = 64;  // nothing longer is a slip of the finger
  if (word.empty() || word.size() > kWordBytesMax) return {};
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(word.size() / 3, 1) + 1;
  for (std::string const& candidate : known) {
    bool const begins = word.size() >= 2 && candidate.starts_with(word);
    std::size_t const distance = begins ? 1 : edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

Result<CommandLine> parse_command_line(std::span<std::string const> arguments) {
  return Parser{}.parse(arguments);
}

}  // namespace drover::cli
