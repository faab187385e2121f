#include "cli/grammar/grammar.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

constexpr std::string_view kExamples = R"(Examples:
  drover workflow create --entry flow.mjs --process-id flow --inputs inputs.json --run r1
  drover workflow iterate r1                 to where it waits
  drover workflow tasks r1 --pending
  drover workflow post r1 EFFECT --value '{"approved":true}'
  drover workflow run r1                     until it ends: commands in sandboxes, timers, what is posted
  drover workflow start r2 --entry flow.mjs --agent '{"model":"anthropic/claude-sonnet-4-5","workspaces":[{"id":"project"}]}'
  drover workflow signal r1 deploy --value '{"sha":"abc"}'

Runs are directories, in ~/.a5c/runs, .a5c/runs, BABYSITTER_RUNS_DIR or --runs-dir. The commands of the
babysitter SDK work as they do there: drover run:create, run:iterate, run:status, run:events,
run:assign-process, run:rebuild-state, run:repair-journal, run:recover-process-error, run:halt, task:list, task:show, task:post, task:cancel.

Exit status of iterate and run: 0 completed, 4 waiting, 5 failed or halted, 1 and 2 errors.)";

Grammar::Make make(WorkflowAct act) {
  return [act](Raw const& raw) -> Result<Command> {
    WorkflowCommand command;
    command.act = act;
    command.run = raw.target;
    command.runs_dir = raw.runs_dir;
    command.entry = raw.entry;
    command.process_id = raw.process_id;
    command.inputs = raw.inputs;
    command.effect = raw.effect;
    command.name = raw.id;
    command.value = raw.value;
    command.error = raw.error;
    command.reason = raw.reason;
    command.agent = raw.agent;
    command.type = raw.type;
    command.point = raw.at;
    command.file = raw.file;
    auto const limit = number_between<std::int64_t>("--limit", raw.limit, 1, 1'000'000);
    if (!limit) return std::unexpected(limit.error());
    command.limit = *limit;
    command.pending = raw.pending;
    command.force = raw.force;
    command.dry_run = raw.dry_run;
    command.outside = raw.outside;
    command.no_sandbox = raw.no_sandbox;
    command.format = format_of(raw);
    if (act == WorkflowAct::post && command.value.empty() == command.error.empty())
      return fail(ErrorCode::invalid_argument, "workflow post takes either --value or --error");
    return command;
  };
}

struct Adder {
  Grammar& grammar;
  CLI::App* parent;

  CLI::App* of_run(std::string const& name, std::string const& what, WorkflowAct act) const {
    auto* const sub = grammar.add(*parent, name, what, make(act));
    sub->add_option("run", grammar.raw.target, "its directory or id")->type_name("")->required();
    shared(sub);
    return sub;
  }
  // Of what runs the code of a process.
  void runs_code(CLI::App* sub) const {
    sub->add_flag("--no-sandbox", grammar.raw.no_sandbox,
                  "run the process with all your rights: network, files and environment");
  }
  void shared(CLI::App* sub) const {
    sub->add_option("--runs-dir", grammar.raw.runs_dir, "where runs are")->type_name("FOLDER");
    grammar.json(sub, "one JSON object");
  }
};

void add_changes(Adder const& adder) {
  Raw& into = adder.grammar.raw;
  auto* const post = adder.of_run("post", "Says how an effect ended.", WorkflowAct::post);
  post->add_option("effect", into.effect, "its id")->type_name("")->required();
  post->add_option("--value", into.value, "its result: JSON, or @FILE")->type_name("JSON");
  post->add_option("--error", into.error, "it failed, and why")->type_name("TEXT");
  auto* const cancel = adder.of_run("cancel", "Cancels an effect.", WorkflowAct::cancel);
  cancel->add_option("effect", into.effect, "its id")->type_name("")->required();
  cancel->add_option("--reason", into.reason, "why")->type_name("TEXT");
  auto* const heartbeat =
      adder.of_run("heartbeat", "Says that an effect is still worked on.", WorkflowAct::heartbeat);
  heartbeat->add_option("effect", into.effect, "its id")->type_name("")->required();
  heartbeat
      ->add_option("--details", into.value, "how far it has come, for its next try: JSON, or @FILE")
      ->type_name("JSON");
  auto* const signal = adder.of_run("signal", "Sends a signal that the process waits for by name.",
                                    WorkflowAct::signal);
  signal->add_option("name", into.id, "the signal's")->type_name("")->required();
  signal->add_option("--value", into.value, "what it carries: JSON, or @FILE")->type_name("JSON");
}

void add_views(Adder const& adder) {
  Raw& into = adder.grammar.raw;
  adder.of_run("status", "Shows how a run stands.", WorkflowAct::status);
  auto* const events = adder.of_run("events", "Shows the journal.", WorkflowAct::events);
  events->add_option("--type", into.type, "only entries of this type")->type_name("TYPE");
  events->add_option("--limit", into.limit, "only the last ones")->type_name("N");
  auto* const tasks = adder.of_run("tasks", "Lists the effects.", WorkflowAct::tasks);
  tasks->add_flag("--pending", into.pending, "only those that wait");
  tasks->add_option("--kind", into.type, "only those of a kind")->type_name("KIND");
  auto* const show =
      adder.of_run("show", "Shows what an effect asks for, and how it ended.", WorkflowAct::show);
  show->add_option("effect", into.effect, "its id")->type_name("")->required();
  auto* const query = adder.of_run(
      "query", "Asks the process, which is replayed for it and not driven on.", WorkflowAct::query);
  query->add_option("name", into.id, "the query's")->type_name("")->required();
  query->add_option("--value", into.value, "its argument: JSON, or @FILE")->type_name("JSON");
  adder.runs_code(query);
}

void add_copies(Adder const& adder) {
  Raw& into = adder.grammar.raw;
  auto* const fork = adder.of_run(
      "fork", "Makes a new run that goes on from an earlier point of this one.", WorkflowAct::fork);
  fork->add_option("--at", into.at,
                   "before this effect was asked for, or behind the entry of this number "
                   "(default: as it stands, without its end)")
      ->type_name("EFFECT|N");
  fork->add_option("--run-id", into.id, "the new run's id (default: a new one)")->type_name("ID");
  auto* const rewind =
      adder.of_run("rewind", "Takes a run back, and keeps what it gives up.", WorkflowAct::rewind);
  rewind
      ->add_option("--to", into.at,
                   "before this effect was asked for, or behind the entry of this number")
      ->type_name("EFFECT|N")
      ->required();
  auto* const exporting =
      adder.of_run("export", "Writes a run as one file of JSON.", WorkflowAct::export_run);
  exporting->add_option("--out", into.file, "where to (default: standard output)")
      ->type_name("FILE");
  exporting
      ->add_option("--as", into.type,
                   "bundle: all of it, for import (default); events: its journal; trace: spans "
                   "in OTLP's JSON")
      ->type_name("FORM")
      ->check(CLI::IsMember({"bundle", "events", "trace"}));
  auto* const importing = adder.grammar.add(*adder.parent, "import", "Makes a run out of a bundle.",
                                            make(WorkflowAct::import_run));
  importing->add_option("file", into.file, "as export wrote it, - for stdin")
      ->type_name("")
      ->required();
  importing->add_option("--run-id", into.id, "its id (default: the one that it had)")
      ->type_name("ID");
  adder.shared(importing);
}

}  // namespace

void add_workflow(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto* const workflow = grammar.app.add_subcommand(
      "workflow", "Runs code that is replayed from a journal, and so survives everything.");
  workflow->set_help_flag("-h,--help", "print this help");
  workflow->require_subcommand(1, 1);
  workflow->footer(std::string{kExamples});
  Adder const adder{grammar, workflow};

  auto* const create =
      grammar.add(*workflow, "create", "Makes a new run.", make(WorkflowAct::create));
  create->add_option("--entry", into.entry, "the process (default: assigned later)")
      ->type_name("FILE[#EXPORT]");
  create->add_option("--process-id", into.process_id, "its name (default: the file's)")
      ->type_name("NAME");
  create->add_option("--inputs", into.inputs, "a JSON file, - for stdin")->type_name("FILE");
  create->add_option("--run", into.target, "the run's id (default: a new one)")->type_name("ID");
  adder.runs_code(create);
  adder.shared(create);

  auto* const start = grammar.add(*workflow, "start",
                                  "Has the server drive a run: a new one, or one that there is.",
                                  make(WorkflowAct::start));
  start->add_option("run", into.target, "its directory or id; of a new one its id")->type_name("");
  start->add_option("--entry", into.entry, "the process of a new run")->type_name("FILE[#EXPORT]");
  start->add_option("--process-id", into.process_id, "its name (default: the file's)")
      ->type_name("NAME");
  start->add_option("--inputs", into.inputs, "a JSON file, - for stdin")->type_name("FILE");
  start
      ->add_option("--agent", into.agent,
                   "what its agent effects are where they do not say: JSON, or @FILE")
      ->type_name("JSON");
  adder.shared(start);

  auto* const stop =
      adder.of_run("stop", "Ends a run that the server drives, and all that it has under way.",
                   WorkflowAct::stop);
  stop->add_option("--reason", into.reason, "why")->type_name("TEXT");

  adder.shared(
      grammar.add(*workflow, "list", "Lists the runs that there are.", make(WorkflowAct::list)));

  auto* const assign = adder.of_run("assign", "Gives a run its process.", WorkflowAct::assign);
  assign->add_option("--entry", into.entry, "the process")->type_name("FILE[#EXPORT]")->required();
  assign->add_option("--process-id", into.process_id, "its name")->type_name("NAME");
  assign->add_flag("--force", into.force, "also in the place of another");
  adder.runs_code(assign);

  auto* const check = grammar.add(*workflow, "check", "Says whether a process can be loaded.",
                                  make(WorkflowAct::check));
  check->add_option("file", into.entry, "a .yaml document, or a JavaScript module")
      ->type_name("FILE[#EXPORT]")
      ->required();
  adder.runs_code(check);
  grammar.json(check, "one JSON object");

  adder.runs_code(adder.of_run("iterate", "Brings a run to where it waits.", WorkflowAct::iterate));
  auto* const run = adder.of_run(
      "run", "Drives a run until it ends; its commands run in sandboxes.", WorkflowAct::run);
  run->add_flag("--outside", into.outside, "leave the commands to others, who post their results");
  adder.runs_code(run);
  add_views(adder);
  add_changes(adder);
  adder.of_run("recover", "Lets a run go on whose process threw an error, with mended code.",
               WorkflowAct::recover);
  adder.of_run("rebuild-state", "Makes state.json anew.", WorkflowAct::rebuild_state);
  auto* const repair =
      adder.of_run("repair-journal", "Mends a damaged journal, and says what it did.",
                   WorkflowAct::repair_journal);
  repair->add_flag("--dry-run", into.dry_run, "only say what would be done");
  add_copies(adder);
}

}  // namespace drover::cli
