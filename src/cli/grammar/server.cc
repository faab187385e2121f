#include "cli/grammar/grammar.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

constexpr std::string_view kServerSettings = R"(Settings, from the environment:
  DROVER_STATE_DIR         the state folder
  ANTHROPIC_API_KEY, OPENAI_API_KEY  the providers' keys; others in gateway.toml
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

Dispatch dispatch_of(Raw const& raw) {
  return raw.paused ? Dispatch::paused : Dispatch::running;
}

Result<Command> make_up(Raw const& raw) {
  auto const port = port_of(raw.port);
  if (!port) return std::unexpected(port.error());
  return UpCommand{raw.foreground ? Mode::foreground : Mode::background, *port, raw.broker,
                   dispatch_of(raw)};
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

constexpr std::string_view kDoctorExamples = R"(Examples:
  drover doctor -w ./project --json
  drover doctor --apparmor-profile | sudo tee /etc/apparmor.d/drover

Starts real sandboxes and says of each layer how it is enforced, or what is missing and how to get
it. Needs no server, and changes nothing. Exits with 1 where a server would refuse to start.)";

Result<Command> make_doctor(Raw const& raw) {
  DoctorCommand command;
  command.folders = raw.workspaces;
  if (command.folders.empty()) command.folders.emplace_back(".");
  if (raw.profile) command.shows = DoctorShows::apparmor_profile;
  command.format = format_of(raw);
  return command;
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

}  // namespace

void add_server(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto* const up = grammar.add(
      grammar.app, "up", "Starts the server if it does not run, and prints its address.", make_up);
  up->add_flag("--foreground", into.foreground, "run it here instead of in the background");
  up->add_option("--port", into.port, "listen here (default: any free port)")->type_name("PORT");
  constexpr auto const* kBroker =
      "Redis that carries work to other workers and events to other readers: redis://host, "
      "rediss://host or unix:///path (also DROVER_BROKER, the place for one with a password)";
  up->add_option("--broker", into.broker, kBroker)->type_name("URL");
  constexpr auto const* kPaused = "give out no work until: drover queues resume";
  up->add_flag("--paused", into.paused, kPaused);
  up->footer(std::string{kServerSettings});

  auto* const dashboard =
      grammar.add(grammar.app, "dashboard", "Prints a link that signs a browser in, once.",
                  [](Raw const& raw) { return Result<Command>{DashboardCommand{format_of(raw)}}; });
  grammar.json(dashboard);

  auto* const serve =
      grammar.add(grammar.app, "serve", "Runs the server in the foreground.", make_serve);
  serve->add_option("--host", into.host, "address to listen on (default 127.0.0.1)")
      ->type_name("ADDRESS");
  serve->add_option("--port", into.port, "listen here (default: any free port)")->type_name("PORT");
  serve->add_option("--broker", into.broker, kBroker)->type_name("URL");
  serve->add_flag("--no-worker", into.no_worker, "work on no run here: drover worker does");
  constexpr auto const* kLabels =
      "what it has, for tasks that ask for it; repeatable (also DROVER_WORKER_LABELS, with commas)";
  serve->add_option("--label", into.labels, kLabels)
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all();
  serve->add_flag("--paused", into.paused, kPaused);
  serve->footer(std::string{kServerSettings});

  auto* const worker =
      grammar.add(grammar.app, "worker",
                  "Works on the runs of a server, here or on another machine.", make_worker);
  worker->add_option("--join", into.server, "the server's address (default: as other commands)")
      ->type_name("URL");
  worker
      ->add_option("--broker", into.broker,
                   "the server's Redis, for work to come by it (also DROVER_BROKER)")
      ->type_name("URL");
  worker->add_option("--token", into.token, "its token (better: DROVER_TOKEN)")->type_name("TOKEN");
  worker
      ->add_option("--mode", into.mode,
                   "daemon; job: one run, then exit; hybrid: a job of its own for each run that "
                   "nobody waits "
                   "for (default: as its pool says, else daemon)")
      ->type_name("MODE");
  worker->add_option("--pool", into.pools, "only runs of this pool; repeatable")
      ->type_name("POOL")
      ->expected(1)
      ->take_all();
  worker->add_option("--task-type", into.task_types, "only runs of this type; repeatable")
      ->type_name("TYPE")
      ->expected(1)
      ->take_all();
  worker->add_option("--label", into.labels, kLabels)
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all();
  worker->add_option("--slots", into.slots, "runs at once (default 8)")->type_name("N");
  worker->add_option("--lease", into.lease, "a run is taken from a worker this long silent (90s)")
      ->type_name("TIME");
  worker->add_option("--drain-timeout", into.drain, "for runs to end after SIGTERM (30s)")
      ->type_name("TIME");
  worker->add_option("--name", into.id, "of this worker's state folder (default: a free number)")
      ->type_name("NAME");
  // What a hybrid worker starts; nobody else needs it.
  worker->add_flag("--assigned", into.assigned)->group("");
  worker->footer(std::string{kWorkerExamples});

  grammar.add(grammar.app, "down", "Stops the server that `drover up` started.",
              [](Raw const&) { return Result<Command>{DownCommand{}}; });

  auto* const doctor = grammar.add(grammar.app, "doctor",
                                   "Says what this machine enforces around an agent.", make_doctor);
  doctor->add_option("-w,--workspace", into.workspaces, "a folder that agents shall work in")
      ->type_name("FOLDER")
      ->expected(1)
      ->take_all();
  constexpr auto const* kProfile = "print what AppArmor needs, and nothing else";
  doctor->add_flag("--apparmor-profile", into.profile, kProfile);
  grammar.json(doctor);
  doctor->footer(std::string{kDoctorExamples});

  auto* const backup =
      grammar.add(grammar.app, "backup",
                  "Writes all state into one archive, while the server works.", make_backup);
  backup->add_option("file", into.file, "the archive; - for stdout (default: named by the time)")
      ->type_name("");
  backup->add_flag("--verify", into.verify, "only read a backup and say whether it is whole");
  grammar.json(backup);
  backup->footer(std::string{kBackupExamples});

  auto* const restore = grammar.add(
      grammar.app, "restore", "Puts an archive in the place of the state folder.", make_restore);
  restore->add_option("file", into.file, "the archive")->type_name("")->required();
  restore->add_flag("--replace", into.replace, "move the state that is there aside");
  grammar.json(restore);
  restore->footer(std::string{kRestoreExamples});

  auto* const model = grammar.app.add_subcommand("model", "Tools for models.");
  model->set_help_flag("-h,--help", "print this help");
  model->require_subcommand(1, 1);
  auto* const model_serve = grammar.add(
      *model, "serve", "Serves a scripted model on loopback, in the wire format of the API.",
      make_model_serve);
  model_serve->add_option("script", into.script, "the script's file")->type_name("")->required();
  model_serve->add_option("--host", into.host, "address to listen on (default 127.0.0.1)")
      ->type_name("ADDRESS");
  model_serve->add_option("--port", into.port, "listen here (default: any free port)")
      ->type_name("PORT");

  auto* const version =
      grammar.add(grammar.app, "version", "Prints the version.",
                  [](Raw const& raw) { return Result<Command>{VersionCommand{format_of(raw)}}; });
  grammar.json(version);
}

}  // namespace drover::cli
