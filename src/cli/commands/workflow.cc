#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/commands/workflow_copies.h"
#include "cli/exit_codes.h"
#include "cli/served_workflows.h"
#include "cli/stop_signals.h"
#include "cli/workflow_places.h"
#include "driver/command_pool.h"
#include "driver/drive.h"
#include "workflow/create_run.h"
#include "workflow/document.h"
#include "workflow/iterate.h"
#include "workflow/js_text.h"
#include "workflow/open_run.h"
#include "workflow/query.h"
#include "workflow/repair.h"
#include "workflow/state_cache.h"
#include "workflow/views.h"

namespace drover::cli {

namespace {

namespace fs = std::filesystem;
using workflow::Iterated;
using workflow::IterateState;

int exit_code_of(IterateState state) {
  switch (state) {
    case IterateState::completed:
      return kExitOk;
    case IterateState::waiting:
      return kExitWaiting;
    case IterateState::failed:
    case IterateState::halted:
      break;
  }
  return kExitProcessFailed;
}

class Workflow {
 public:
  Workflow(Context const& context, WorkflowCommand const& command)
      : context_(context), command_(command), places_(runs_places(context, command.runs_dir)) {}

  Result<int> run();

 private:
  Result<int> create();
  Result<int> assign();
  Result<int> check();
  Result<int> iterate();
  Result<int> drive();
  Result<int> status();
  Result<int> events();
  Result<int> tasks();
  Result<int> show();
  Result<int> post();
  Result<int> cancel();
  Result<int> signal();
  Result<int> query();
  Result<int> rebuild_state();
  Result<int> repair();
  Result<int> recover();
  Result<int> list();

  [[nodiscard]] bool json() const { return command_.format == Format::json; }
  void print(json::value const& value) { context_.screen.print(workflow::file_text(value)); }
  void say(std::string const& line) { context_.screen.print(terminal_safe(line) + "\n"); }
  // One of the server's too, whose directory is used as any other: its driver sees what is written.
  [[nodiscard]] Result<workflow::RunFolder> found() const {
    auto run = find_run(command_.run, places_);
    if (run) return std::move(run->folder);
    if (run.error().code != ErrorCode::not_found) return std::unexpected(run.error());
    auto driven = driven_folder(context_, command_.run);
    if (!driven) return std::unexpected(driven.error());
    if (driven->empty()) return std::unexpected(run.error());
    return workflow::RunFolder{*std::move(driven)};
  }
  [[nodiscard]] Result<workflow::HostSpec> host() const {
    return host_spec(context_,
                     command_.no_sandbox ? std::optional{driver::HostWall::none} : std::nullopt);
  }
  Result<int> served(Result<json::object> const& workflow) {
    if (!workflow) return std::unexpected(workflow.error());
    if (json())
      print(*workflow);
    else
      say(fmt::format("{}  {}  {}", string_or(*workflow, "id", ""),
                      string_or(*workflow, "state", ""), string_or(*workflow, "folder", "")));
    return kExitOk;
  }
  [[nodiscard]] Result<workflow::RunView> view() const {
    auto const folder = found();
    if (!folder) return std::unexpected(folder.error());
    return workflow::read_run(*folder);
  }
  [[nodiscard]] Result<workflow::OpenRun> open(std::string_view owner) const {
    auto folder = found();
    if (!folder) return std::unexpected(folder.error());
    return workflow::OpenRun::open(*std::move(folder), owner, context_.clock, context_.random);
  }
  [[nodiscard]] Result<workflow::Entrypoint> entry() const;
  // What --value says.
  [[nodiscard]] Result<json::value> value() const;
  void tell(Iterated const& iterated);

  Context const& context_;
  WorkflowCommand const& command_;
  workflow::RunsPlaces places_;
};

Result<int> Workflow::run() {
  switch (command_.act) {
    case WorkflowAct::create:
      return create();
    case WorkflowAct::assign:
      return assign();
    case WorkflowAct::iterate:
      return iterate();
    case WorkflowAct::run:
      return drive();
    case WorkflowAct::status:
      return status();
    case WorkflowAct::events:
      return events();
    case WorkflowAct::tasks:
      return tasks();
    case WorkflowAct::show:
      return show();
    case WorkflowAct::post:
      return post();
    case WorkflowAct::cancel:
      return cancel();
    case WorkflowAct::signal:
      return signal();
    case WorkflowAct::query:
      return query();
    case WorkflowAct::rebuild_state:
      return rebuild_state();
    case WorkflowAct::repair_journal:
      return repair();
    case WorkflowAct::recover:
      return recover();
    case WorkflowAct::list:
      return list();
    case WorkflowAct::check:
      return check();
    case WorkflowAct::fork:
    case WorkflowAct::rewind:
    case WorkflowAct::export_run:
    case WorkflowAct::import_run:
      return copy_workflow(context_, command_);
    case WorkflowAct::start:
      return served(start_workflow(context_, command_));
    case WorkflowAct::stop:
      return served(stop_workflow(context_, command_));
  }
  return kExitFailed;
}

Result<workflow::Entrypoint> Workflow::entry() const {
  auto entry = workflow::parse_entrypoint(command_.entry);
  if (!entry) return entry;
  entry->import_path = (fs::path{places_.cwd} / entry->import_path).lexically_normal().string();
  auto const host = this->host();
  if (!host) return std::unexpected(host.error());
  DROVER_TRY(workflow::check_entry(entry->import_path, entry->export_name, *host));
  return entry;
}

Result<json::value> Workflow::value() const {
  if (command_.value.empty()) return json::value{};
  if (command_.value.starts_with('@')) {
    auto value = read_json_argument(command_.value.substr(1), places_.cwd);
    if (!value) return std::unexpected(value.error());
    return value->value_or(json::value{});
  }
  auto value = parse_json(command_.value);
  if (!value)
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("--value is no JSON: {}", value.error().message),
                     R"(a text needs quotes of its own: --value '"text"')");
  return value;
}

void Workflow::tell(Iterated const& iterated) {
  for (auto const& warning : iterated.warnings)
    context_.screen.note("drover: " + warning);
  if (json()) return print(iterated_view(iterated, std::nullopt));
  switch (iterated.state) {
    case IterateState::completed:
      if (!iterated.continued_as.empty())
        say("continued as " + iterated.continued_as);
      else
        say("completed");
      return;
    case IterateState::failed:
      return say("failed: " + iterated.reason);
    case IterateState::halted:
      return say("halted: " + iterated.reason);
    case IterateState::waiting:
      break;
  }
  say("waiting: " + iterated.reason);
  for (auto const& action : iterated.actions)
    say(fmt::format("  {}  {}  {}", action.effect.id, action.effect.kind, action.effect.label));
}

Result<int> Workflow::create() {
  workflow::NewRun wanted;
  wanted.runs_root = runs_root(places_);
  wanted.run_id = command_.run;
  wanted.process_id = command_.process_id;
  wanted.cwd = places_.cwd;
  if (!command_.entry.empty()) {
    auto named = entry();
    if (!named) return std::unexpected(named.error());
    wanted.entry = *std::move(named);
    if (wanted.process_id.empty())
      wanted.process_id = fs::path{wanted.entry->import_path}.stem().string();
  }
  if (!command_.inputs.empty()) {
    auto inputs = read_json_argument(command_.inputs, places_.cwd);
    if (!inputs) return std::unexpected(inputs.error());
    wanted.inputs = *std::move(inputs);
  }
  auto const created = workflow::create_run(wanted, context_.clock, context_.random);
  if (!created) return std::unexpected(created.error());
  if (json())
    print(json::object{{"runId", created->record.run_id},
                       {"runDir", created->folder.path()},
                       {"entry", created->record.entrypoint.text()},
                       {"existed", created->existed}});
  else
    say(created->folder.path());
  return kExitOk;
}

Result<int> Workflow::assign() {
  auto const wanted_entry = entry();
  if (!wanted_entry) return std::unexpected(wanted_entry.error());
  auto run = open("run:assign-process");
  if (!run) return std::unexpected(run.error());
  workflow::Assignment wanted;
  wanted.entry = *wanted_entry;
  wanted.process_id = command_.process_id;
  wanted.force = command_.force;
  auto const assigned = workflow::assign_process(*run, wanted);
  if (!assigned) return std::unexpected(assigned.error());
  if (json())
    print(json::object{{"runId", run->record().run_id},
                       {"entry", wanted_entry->text()},
                       {"processId", assigned->process_id},
                       {"previousEntrypoint", assigned->previous.object()},
                       {"assigned", true}});
  else
    say(fmt::format("{} runs {}", run->record().run_id, wanted_entry->text()));
  return kExitOk;
}

// A document's own reading says all that is wrong with it; a module has to be loaded.
Result<int> Workflow::check() {
  auto const checked = entry();
  if (!checked) return std::unexpected(checked.error());
  json::object view{{"entry", checked->text()}, {"valid", true}};
  if (workflow::is_document(checked->import_path)) {
    auto const document = workflow::read_document(checked->import_path);
    if (!document) return std::unexpected(document.error());
    view.emplace("name", document->name);
    view.emplace("steps", document->size);
    view.emplace("inputs", json::array(document->inputs.begin(), document->inputs.end()));
  }
  if (json())
    print(view);
  else
    say(checked->import_path + " is a process");
  return kExitOk;
}

Result<int> Workflow::iterate() {
  auto const folder = found();
  if (!folder) return std::unexpected(folder.error());
  auto const host = this->host();
  if (!host) return std::unexpected(host.error());
  auto const iterated = workflow::iterate(*folder, *host, context_.clock, context_.random);
  if (!iterated) return std::unexpected(iterated.error());
  tell(*iterated);
  return exit_code_of(iterated->state);
}

Result<int> Workflow::drive() {
  auto const folder = found();
  if (!folder) return std::unexpected(folder.error());
  // Before any thread begins, for all of them are to leave these signals to the drive.
  auto const stop = StopSignals::take();
  if (!stop) return std::unexpected(stop.error());
  driver::CommandPool commands{command_pool_options(context_), context_.clock};
  auto host = this->host();
  if (!host) return std::unexpected(host.error());
  driver::DriveOptions options;
  options.host = *std::move(host);
  options.stop_fd = stop->fd();
  if (!command_.outside) options.commands = &commands;
  options.waiting = [&](Iterated const& iterated) {
    context_.screen.note(terminal_safe("drover: " + iterated.reason));
  };
  auto const iterated = driver::drive(*folder, options, context_.clock, context_.random);
  if (!iterated) return std::unexpected(iterated.error());
  tell(*iterated);
  return exit_code_of(iterated->state);
}

Result<int> Workflow::status() {
  auto const folder = found();
  if (!folder) return std::unexpected(folder.error());
  auto const run = workflow::read_run(*folder);
  if (!run) return std::unexpected(run.error());
  if (json()) {
    print(status_view(*run, workflow::read_state(*folder)));
    return kExitOk;
  }
  say(fmt::format("{}  {}  {} entries", run->record.run_id, to_string(status_state(run->history)),
                  run->history.head().seq));
  for (auto const& [kind, count] : run->history.pending_by_kind())
    say(fmt::format("  {} of {} pending", count, kind));
  if (!run->journal.torn.empty())
    context_.screen.note(
        fmt::format("drover: the last entry, {}, is cut off; the next change of "
                    "the run sets it aside",
                    printable(run->journal.torn)));
  return kExitOk;
}

Result<int> Workflow::events() {
  auto const run = view();
  if (!run) return std::unexpected(run.error());
  json::array chosen;
  for (auto const& event : run->journal.events)
    if (command_.type.empty() || event.type == command_.type) chosen.push_back(event_view(event));
  std::size_t const limit =
      command_.limit ? static_cast<std::size_t>(*command_.limit) : chosen.size();
  if (chosen.size() > limit)
    chosen.erase(chosen.begin(), chosen.end() - static_cast<std::ptrdiff_t>(limit));
  if (json()) {
    print(json::object{{"events", std::move(chosen)}});
    return kExitOk;
  }
  for (auto const& each : chosen) {
    auto const& event = each.as_object();
    say(fmt::format("{:>6}  {}  {}  {}", event.at("seq").to_number<std::uint64_t>(),
                    string_or(event, "recordedAt", ""), string_or(event, "type", ""),
                    string_or(event.at("data").as_object(), "effectId", "")));
  }
  return kExitOk;
}

Result<int> Workflow::tasks() {
  auto const run = view();
  if (!run) return std::unexpected(run.error());
  auto const listed =
      tasks_view(run->history, {.pending = command_.pending, .kind = command_.type});
  if (json()) {
    print(listed);
    return kExitOk;
  }
  for (auto const& each : listed.at("tasks").as_array()) {
    auto const& task = each.as_object();
    say(fmt::format("{}  {:<14}  {:<10}  {}", string_or(task, "effectId", ""),
                    string_or(task, "status", ""), string_or(task, "kind", ""),
                    string_or(task, "label", "")));
  }
  return kExitOk;
}

Result<int> Workflow::show() {
  auto const folder = found();
  if (!folder) return std::unexpected(folder.error());
  auto const run = workflow::read_run(*folder);
  if (!run) return std::unexpected(run.error());
  auto const* const effect = run->history.by_id(command_.effect);
  if (effect == nullptr)
    return fail(ErrorCode::not_found, "there is no effect {} in the run",
                printable(command_.effect));
  auto task = workflow::read_task(*folder, effect->id);
  if (!task) return std::unexpected(task.error());
  auto result = workflow::read_result(*folder, *effect);
  if (!result) return std::unexpected(result.error());
  print(json::object{{"effect", task_view(*effect)},
                     {"task", task->value_or(json::value{})},
                     {"result", result->value_or(json::value{})}});
  return kExitOk;
}

Result<int> Workflow::post() {
  workflow::TaskResult result;
  if (command_.error.empty()) {
    auto given = value();
    if (!given) return std::unexpected(given.error());
    result.value = *std::move(given);
  } else {
    result.outcome = workflow::Outcome::error;
    result.error = json::object{{"name", "Error"}, {"message", command_.error}};
  }
  auto run = open("runtime:commitEffectResult");
  if (!run) return std::unexpected(run.error());
  auto const posted = run->post(command_.effect, std::move(result));
  if (!posted) return std::unexpected(posted.error());
  DROVER_TRY(run->save_state("post_effect_resolution"));
  if (json())
    print(json::object{{"effectId", command_.effect}, {"resultRef", posted->refs.result}});
  return kExitOk;
}

Result<int> Workflow::cancel() {
  auto run = open("runtime:commitEffectCancellation");
  if (!run) return std::unexpected(run.error());
  auto const cancelled = run->cancel(command_.effect, command_.reason);
  if (!cancelled) return std::unexpected(cancelled.error());
  DROVER_TRY(run->save_state("post_effect_cancellation"));
  if (json()) print(json::object{{"effectId", command_.effect}, {"status", "cancelled"}});
  return kExitOk;
}

Result<int> Workflow::signal() {
  auto payload = value();
  if (!payload) return std::unexpected(payload.error());
  auto run = open("runtime:signal");
  if (!run) return std::unexpected(run.error());
  if (ended_before(run->record(), run->history()))
    return fail(ErrorCode::conflict, "run {} has ended", run->record().run_id);
  json::object data{{"name", command_.name}, {"payload", *std::move(payload)}};
  DROVER_TRY(run->append(workflow::NewEvent{workflow::event_type::kSignal, std::move(data)}));
  if (json()) print(json::object{{"name", command_.name}, {"seq", run->history().head().seq}});
  return kExitOk;
}

Result<int> Workflow::query() {
  auto const folder = found();
  if (!folder) return std::unexpected(folder.error());
  auto const arguments = value();
  if (!arguments) return std::unexpected(arguments.error());
  auto const host = this->host();
  if (!host) return std::unexpected(host.error());
  auto const answer =
      workflow::query(*folder, command_.name, *arguments, *host, context_.clock, context_.random);
  if (!answer) return std::unexpected(answer.error());
  print(*answer);
  return kExitOk;
}

Result<int> Workflow::rebuild_state() {
  auto const run = open("run:rebuild-state");
  if (!run) return std::unexpected(run.error());
  DROVER_TRY(run->save_state("cli_manual"));
  if (json()) print(rebuilt_view(run->folder().path(), run->history(), "cli_manual"));
  return kExitOk;
}

Result<int> Workflow::recover() {
  auto run = open("run:recover-process-error");
  if (!run) return std::unexpected(run.error());
  DROVER_TRY(workflow::recover(*run));
  if (json()) print(json::object{{"runId", run->record().run_id}, {"recovered", true}});
  return kExitOk;
}

Result<int> Workflow::list() {
  auto const driven = driven_workflows(context_);
  if (!driven) return std::unexpected(driven.error());
  json::array listed;
  std::set<std::string, std::less<>> known;
  for (auto const& each : *driven) {
    auto const& run = each.as_object();
    auto const state = string_or(run, "state", "");
    auto const id = string_or(run, "id", "");
    auto const folder = string_or(run, "folder", "");
    if (!json()) say(fmt::format("{:<10}  {:<30}  server  {}", state, id, folder));
    listed.push_back(
        json::object{{"runId", id}, {"state", state}, {"runDir", folder}, {"driven", true}});
    known.emplace(folder);
  }
  for (auto const& folder : runs_in(places_)) {
    if (known.contains(folder.path())) continue;
    auto view = run_view(folder, workflow::read_run(folder));
    if (!json())
      say(fmt::format("{:<10}  {:<30}          {}", string_or(view, "state", ""), folder.name(),
                      folder.path()));
    listed.push_back(std::move(view));
  }
  if (json()) print(json::object{{"runs", std::move(listed)}});
  return kExitOk;
}

Result<int> Workflow::repair() {
  auto const folder = found();
  if (!folder) return std::unexpected(folder.error());
  workflow::Repaired repaired;
  if (command_.dry_run) {
    auto plan = workflow::inspect_journal(*folder, context_.clock, context_.random);
    if (!plan) return std::unexpected(plan.error());
    repaired.plan = *std::move(plan);
  } else {
    auto done = workflow::repair_journal(*folder, context_.clock, context_.random);
    if (!done) return std::unexpected(done.error());
    repaired = *std::move(done);
  }
  constexpr std::array<std::string_view, 4> kActs = {"kept", "dropped", "rebuilt", "lost"};
  json::array notes;
  for (auto const& each : repaired.plan.notes) {
    auto const act = kActs.at(static_cast<std::size_t>(each.act));
    if (!json()) say(fmt::format("{:<8} {}: {}", act, each.what, each.why));
    notes.push_back(json::object{{"act", act}, {"what", each.what}, {"why", each.why}});
  }
  if (json())
    print(json::object{{"entries", repaired.plan.events.size()},
                       {"notes", std::move(notes)},
                       {"lost", repaired.plan.lost},
                       {"backup", repaired.backup}});
  else if (!repaired.plan.changes())
    say("nothing is wrong with it");
  else if (!repaired.backup.empty())
    say("the old journal is " + repaired.backup);
  return kExitOk;
}

}  // namespace

int execute(Context const& context, WorkflowCommand const& command) {
  auto const code = Workflow{context, command}.run();
  if (!code) return report(context, code.error());
  return *code;
}

}  // namespace drover::cli
