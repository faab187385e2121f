#pragma once
// The command line as values. parse_command_line() is the only place that knows CLI11; it checks
// every value, so that commands get ids that are ids and numbers that are in range. Pure.
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"
#include "cli/server_entry.h"

namespace drover::cli {

enum class Format : std::uint8_t { text, json };
enum class Follow : std::uint8_t { no, yes };
enum class Mode : std::uint8_t { foreground, background };
enum class Access : std::uint8_t {
  read_write,
  read_only,
  propose,
  of_task,  // what the task type says
};
enum class Checkout : std::uint8_t { in_place, worktree, allow_dirty };
enum class Init : std::uint8_t { never, if_needed };
enum class ShowDiff : std::uint8_t { yes, no };
enum class BackupAct : std::uint8_t { write, verify };
enum class OldState : std::uint8_t { keep, move_aside };

struct KeyShare {
  std::string key;
  std::int64_t max = 1;
  friend bool operator==(KeyShare const&, KeyShare const&) = default;
};
// What a run asks of the queue; what is not set its task type says.
struct QueueWishes {
  std::optional<std::int64_t> priority;
  std::optional<Millis> delay;
  std::string at;  // RFC 3339
  std::string tenant;
  std::vector<KeyShare> keys;
  std::string dedup_key;
  std::optional<Millis> dedup_life;
};

// Text for stdout: --help, and `drover` alone.
struct HelpCommand {
  std::string text;
};
struct VersionCommand {
  Format format = Format::text;
};
struct UpCommand {
  Mode mode = Mode::background;
  std::uint16_t port = 0;
  std::string broker;  // a URL; empty: what DROVER_BROKER says
  Dispatch dispatch = Dispatch::running;
};
// A link that signs a browser in.
struct DashboardCommand {
  Format format = Format::text;
};
enum class OwnWorker : std::uint8_t { yes, no };
struct ServeCommand {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string broker;
  Dispatch dispatch = Dispatch::running;
  OwnWorker own_worker = OwnWorker::yes;
  std::vector<std::pair<std::string, std::string>> labels{};
};
struct WorkerCommand {
  std::string token;                    // empty: what DROVER_TOKEN or the state folder says
  std::string name;                     // empty: a free number
  std::string broker;                   // empty: what DROVER_BROKER says
  std::string mode;                     // empty: what the environment says
  std::vector<std::string> pools;       // empty: any
  std::vector<std::string> task_types;  // empty: what the environment says
  std::vector<std::pair<std::string, std::string>> labels;
  std::int64_t slots = 8;
  Millis lease{90'000};
  Millis drain{30'000};
  bool assigned = false;
};
struct DownCommand {};
struct RunCommand {
  std::string prompt;                   // "-": read from stdin; may be empty with a task type
  std::vector<std::string> workspaces;  // folders or ids; empty: the current folder
  std::string session;                  // empty: a new one
  std::string model;
  std::string agent;
  std::string runner;  // empty: native
  std::string task_type;
  std::string payload;  // of the task type: JSON, or @FILE
  QueueWishes queue;
  std::string idempotency_key;
  std::optional<std::int64_t> max_turns;
  std::optional<double> max_budget_usd;
  std::optional<Millis> timeout;
  Access access = Access::read_write;
  Checkout checkout = Checkout::in_place;
  Init init = Init::never;
  Follow follow = Follow::yes;
  Format format = Format::text;
  ShowDiff show_diff = ShowDiff::yes;
};
// A further run in a session; the workspaces are the session's.
struct SendCommand {
  SessionId session;
  std::string prompt;
  std::string model;
  std::string idempotency_key;
  std::optional<std::int64_t> max_turns;
  std::optional<double> max_budget_usd;
  std::optional<Millis> timeout;
  Follow follow = Follow::yes;
  Format format = Format::text;
  ShowDiff show_diff = ShowDiff::yes;
};
struct PsCommand {
  std::string session;
  std::string state;
  std::int64_t limit = 20;
  Format format = Format::text;
};
struct AttachCommand {
  std::string target;  // a run or a session; empty: the newest run
  Format format = Format::text;
  ShowDiff show_diff = ShowDiff::yes;
};
struct LogsCommand {
  std::string run;  // empty: the newest
  Follow follow = Follow::no;
};
struct EventsCommand {
  std::string run;  // empty: the newest
  Follow follow = Follow::no;
  Format format = Format::text;
  std::int64_t after = 0;
};
struct DiffCommand {
  std::string run;  // empty: the newest
  Format format = Format::text;
};
struct CancelCommand {
  RunId run;
  Format format = Format::text;
};
struct SessionsCommand {
  Format format = Format::text;
};
enum class Removal : std::uint8_t { landed_only, force };
struct SessionRemoveCommand {
  SessionId session;
  Removal removal = Removal::landed_only;
};
struct SessionEnvironmentCommand {
  SessionId session;
  Format format = Format::text;
};
struct WorkspacesCommand {
  Format format = Format::text;
};
struct WorkspaceAddCommand {
  std::string folder = ".";
  std::string id;
  Init init = Init::never;
  Format format = Format::text;
};
struct WorkspaceRemoveCommand {
  WorkspaceId workspace;
};
// Named documents that the server keeps: types of work, and agents.
enum class Definition : std::uint8_t { task_type, agent };
struct DefinitionsCommand {
  Definition kind = Definition::task_type;
  Format format = Format::text;
};
struct DefinitionShowCommand {
  Definition kind = Definition::task_type;
  std::string name;
  Format format = Format::text;
};
struct DefinitionApplyCommand {
  Definition kind = Definition::task_type;
  std::vector<std::string> paths;  // files and folders; "-": JSON from stdin
  bool prune = false;              // what the API stored and the paths do not have goes
  bool dry_run = false;
  bool yes = false;  // nobody is asked
  Format format = Format::text;
};
struct AgentCreateCommand {
  std::string name;
  std::string file;         // TOML or JSON; empty: none
  std::string prompt_file;  // "-": stdin; empty: none
  json::object members;     // that options said; before those of the file
  Format format = Format::text;
};
// Of one definition: in an editor where it names no member.
struct DefinitionEditCommand {
  Definition kind = Definition::task_type;
  std::string name;
  std::vector<std::string> sets;    // MEMBER=VALUE
  std::vector<std::string> unsets;  // MEMBER
  Format format = Format::text;
};
enum class Enablement : std::uint8_t { enable, disable };
struct AgentEnableCommand {
  Enablement enablement = Enablement::enable;
  std::string name;
  Format format = Format::text;
};
struct DefinitionRemoveCommand {
  Definition kind = Definition::task_type;
  std::string name;
};
// The containers of resident agents.
struct FleetStatusCommand {
  std::string agent;  // empty: all
  Format format = Format::text;
};
// What agents use and have cost.
struct FleetUsageCommand {
  std::string agent;  // empty: all
  Format format = Format::text;
};
struct FleetSyncCommand {
  std::string agent;  // empty: all
  Format format = Format::text;
};
struct FleetWipeCommand {
  std::string agent;
  std::string instance;  // empty: all of the agent's
  bool yes = false;      // nobody is asked
};
struct FleetLogsCommand {
  std::string agent;
  std::string instance;  // empty: the first; of a stream all of them
  std::int64_t lines = 200;
  Follow follow = Follow::no;
};
struct ApprovalRulesCommand {
  Format format = Format::text;
};
struct ApprovalRuleAddCommand {
  std::string breakpoint;
  std::string process;
  std::string response;
  std::string comment;
  Format format = Format::text;
};
struct ApprovalRuleRemoveCommand {
  std::string rule;
};
struct FleetExecCommand {
  std::string agent;
  std::string instance;  // empty: the first that answers
  std::vector<std::string> argv;
  Format format = Format::text;
};
struct AuditCommand {
  std::string kind;  // "agent", "task_type"; empty: both
  std::string name;  // empty: of all
  std::int64_t limit = 50;
  Format format = Format::text;
};
struct AuditShowCommand {
  std::int64_t entry = 0;
  Format format = Format::text;
};
struct ApprovalsCommand {
  bool all = false;  // also those that are decided
  std::int64_t limit = 50;
  Format format = Format::text;
};
struct ApprovalShowCommand {
  std::string approval;
  Format format = Format::text;
};
enum class Decision : std::uint8_t { approve, reject };
struct ApprovalsDecideCommand {
  Decision decision = Decision::reject;
  std::vector<std::string> approvals;
  std::string comment;
  std::string response;  // to a breakpoint
  Format format = Format::text;
};
struct QueuesCommand {
  Format format = Format::text;
};
struct QueueLimitsCommand {
  std::string file;  // TOML or JSON, by its name, "-": JSON from stdin; empty: only show them
  Format format = Format::text;
};
enum class GatewayAct : std::uint8_t { show, reload, rotate_key };
struct GatewayCommand {
  GatewayAct act = GatewayAct::show;
  Format format = Format::text;
};
struct BudgetsCommand {
  std::string file;  // TOML or JSON, by its name, "-": JSON from stdin; empty: only show them
  Format format = Format::text;
};
struct SpendCommand {
  std::string by = "day";  // words with commas
  std::string since;       // a day; empty: from the first on
  Format format = Format::text;
};
enum class QueueChange : std::uint8_t { pause, resume };
struct QueueChangeCommand {
  QueueChange change = QueueChange::pause;
  std::string queue;  // all, pool:NAME, type:NAME
};
struct DeadLettersCommand {
  std::int64_t limit = 50;
  Format format = Format::text;
};
enum class DeadLetterEnd : std::uint8_t { replay, discard };
struct DeadLetterEndCommand {
  DeadLetterEnd end = DeadLetterEnd::replay;
  std::vector<RunId> runs;
  Format format = Format::text;
};
struct SchedulesCommand {
  Format format = Format::text;
};
struct ScheduleCreateCommand {
  std::string file;  // a schedule.v1 job in JSON, "-" for stdin; empty: from what follows
  std::string id;
  std::string cron;
  std::string timezone;
  std::string at;  // RFC 3339
  std::string event;
  std::string misfire;
  std::string overlap;
  std::optional<std::int64_t> jitter_s;
  bool paused = false;
  RunCommand run;  // prompt, workspaces, model, limits; its key is the schedule's
};
enum class ScheduleAction : std::uint8_t { show, cancel, pause, resume, run };
struct ScheduleActionCommand {
  ScheduleAction action = ScheduleAction::show;
  ScheduleId schedule;
  Format format = Format::text;
};
struct ScheduleHistoryCommand {
  ScheduleId schedule;
  std::int64_t limit = 20;
  Format format = Format::text;
};
// Asks no server.
struct ScheduleNextCommand {
  std::string cron;
  std::string timezone = "UTC";
  std::string after;  // RFC 3339; empty: now
  std::int64_t count = 5;
};
struct WorkloadsCommand {
  Format format = Format::text;
};
struct WorkloadStartCommand {
  std::string profile;
  std::string id;
  std::map<std::string, std::string> env;
  std::string backend;   // empty: the profile's
  std::string callback;  // a URL; empty: none
  std::optional<Millis> idle;
  std::optional<Millis> lifetime;
  Format format = Format::text;
};
enum class WorkloadAction : std::uint8_t { show, stop, remove, logs };
struct WorkloadActionCommand {
  WorkloadAction action = WorkloadAction::show;
  std::string id;
  Format format = Format::text;
};
struct LandCommand {
  SessionId session;
  std::string strategy = "auto";
  Format format = Format::text;
};
struct ModelServeCommand {
  std::string script;
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
};

struct BackupCommand {
  std::string file;  // empty: a name with the time; "-": stdout
  BackupAct act = BackupAct::write;
  Format format = Format::text;
};
struct RestoreCommand {
  std::string file;
  OldState old_state = OldState::keep;
  Format format = Format::text;
};

enum class DoctorShows : std::uint8_t { layers, apparmor_profile };
// Asks no server.
struct DoctorCommand {
  std::vector<std::string> folders;  // of workspaces; empty: the current one
  DoctorShows shows = DoctorShows::layers;
  Format format = Format::text;
};
enum class WorkflowAct : std::uint8_t {
  create,
  assign,
  iterate,
  run,
  status,
  events,
  tasks,
  show,
  post,
  cancel,
  heartbeat,
  signal,
  query,
  rebuild_state,
  repair_journal,
  recover,
  list,
  check,
  fork,
  rewind,
  export_run,
  import_run,
  start,
  stop,
};
// Works on run directories itself; a server is asked only to drive runs, and for those it drives.
struct WorkflowCommand {
  WorkflowAct act = WorkflowAct::status;
  std::string run;  // a directory or an id
  std::string runs_dir;
  std::string entry;  // FILE or FILE#EXPORT
  std::string process_id;
  std::string inputs;  // a file; "-": stdin
  std::string effect;
  std::string name;    // of a signal or query
  std::string value;   // JSON, or @FILE
  std::string error;   // a sentence: the effect failed
  std::string reason;  // of a cancel or a stop
  std::string agent;   // of start: JSON, or @FILE
  std::string type;    // of events; of tasks: their kind; of an export: what it is to be
  std::string point;   // of fork and rewind: an effect, or the number of an entry
  std::string file;    // of export and import; empty: standard output, or the run's own id
  std::optional<std::int64_t> limit;
  bool pending = false;
  bool force = false;
  bool dry_run = false;
  bool outside = false;     // of run: commands are left to others
  bool no_sandbox = false;  // the process runs as whoever runs the command
  Format format = Format::text;
};
// One of the babysitter SDK's command lines, word for word.
struct SdkCommand {
  std::vector<std::string> words;
};

using Command = std::variant<
    HelpCommand, VersionCommand, DoctorCommand, UpCommand, DashboardCommand, ServeCommand,
    WorkerCommand, DownCommand, RunCommand, SendCommand, PsCommand, AttachCommand, LogsCommand,
    EventsCommand, DiffCommand, CancelCommand, SessionsCommand, SessionRemoveCommand,
    SessionEnvironmentCommand, WorkspacesCommand, WorkspaceAddCommand, WorkspaceRemoveCommand,
    DefinitionsCommand, DefinitionShowCommand, DefinitionApplyCommand, AgentCreateCommand,
    DefinitionEditCommand, AgentEnableCommand, DefinitionRemoveCommand, FleetStatusCommand,
    FleetUsageCommand, FleetSyncCommand, FleetWipeCommand, FleetLogsCommand, FleetExecCommand,
    ApprovalRulesCommand, ApprovalRuleAddCommand, ApprovalRuleRemoveCommand, AuditCommand,
    AuditShowCommand, ApprovalsCommand, ApprovalShowCommand, ApprovalsDecideCommand, QueuesCommand,
    QueueLimitsCommand, QueueChangeCommand, DeadLettersCommand, DeadLetterEndCommand,
    SchedulesCommand, ScheduleCreateCommand, ScheduleActionCommand, ScheduleHistoryCommand,
    ScheduleNextCommand, WorkloadsCommand, WorkloadStartCommand, WorkloadActionCommand, LandCommand,
    GatewayCommand, BudgetsCommand, SpendCommand, ModelServeCommand, BackupCommand, RestoreCommand,
    WorkflowCommand, SdkCommand>;

struct CommandLine {
  Command command;
  std::string server;  // --server URL; empty: discover it
};

// `arguments` without the program's name. invalid_argument: one sentence, with the nearest known
// word where one was mistyped.
[[nodiscard]] Result<CommandLine> parse_command_line(std::span<std::string const> arguments);

// The known word that `word` most likely was meant to be; empty when none is near.
[[nodiscard]] std::string nearest_word(std::string_view word, std::span<std::string const> known);

}  // namespace drover::cli
