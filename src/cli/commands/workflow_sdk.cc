// The babysitter SDK's commands, with its output and exit codes: 0, or 1 for everything else.
#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/sdk_words.h"
#include "cli/workflow_places.h"
#include "workflow/create_run.h"
#include "workflow/iterate.h"
#include "workflow/js_text.h"
#include "workflow/open_run.h"
#include "workflow/recover_error.h"
#include "workflow/repair.h"
#include "workflow/seal.h"
#include "workflow/state_cache.h"
#include "workflow/views.h"

namespace drover::cli {

namespace {

using workflow::FoundRun;

class Sdk {
 public:
  Sdk(Context const& context, SdkWords const& words)
      : context_(context),
        words_(words),
        places_(runs_places(context, words.option("--runs-dir"))) {}

  Result<int> run();

 private:
  Result<int> create();
  Result<int> assign();
  [[nodiscard]] Status check(workflow::Entrypoint const& entry) const {
    auto const host = host_spec(context_);
    if (!host) return std::unexpected(host.error());
    return workflow::check_entry(entry.import_path, entry.export_name, *host);
  }
  Result<int> iterate();
  Result<int> status();
  Result<int> events();
  Result<int> rebuild_state();
  Result<int> repair_journal();
  Result<int> recover_process_error();
  Result<int> halt();
  Result<int> list();
  Result<int> show();
  Result<int> post();
  Result<int> cancel();

  [[nodiscard]] Result<FoundRun> found() const { return find_run(words_.argument(0), places_); }
  [[nodiscard]] Result<workflow::OpenRun> open(FoundRun const& run, std::string_view owner) const {
    return workflow::OpenRun::open(run.folder, owner, context_.clock, context_.random);
  }
  [[nodiscard]] bool json() const { return words_.flag("--json"); }
  void pretty(json::value const& value) { context_.screen.print(workflow::file_text(value)); }
  void compact(json::value const& value) {
    context_.screen.print(workflow::compact_text(value) + "\n");
  }
  // A line for people, where no JSON is wanted.
  void say(std::string const& line) {
    context_.screen.print(terminal_safe(fmt::format("[{}] {}", words_.name, line)) + "\n");
  }
  void note(std::string const& line) {
    context_.screen.note(terminal_safe(fmt::format("[{}] {}", words_.name, line)));
  }
  // The run as it stands, without its lock.
  struct Seen {
    workflow::RunView view;
    std::optional<workflow::StoredState> state;
  };
  Result<Seen> look();
  int refuse(std::string_view code, std::string const& message, json::object more = {});
  Result<workflow::TaskResult> result_of(FoundRun const& run);

  Context const& context_;
  SdkWords const& words_;
  workflow::RunsPlaces places_;
};

Result<int> Sdk::run() {
  std::string const& name = words_.name;
  if (name == "run:create") return create();
  if (name == "run:assign-process") return assign();
  if (name == "run:iterate") return iterate();
  if (name == "run:status") return status();
  if (name == "run:events") return events();
  if (name == "run:rebuild-state") return rebuild_state();
  if (name == "run:repair-journal") return repair_journal();
  if (name == "run:recover-process-error") return recover_process_error();
  if (name == "run:halt") return halt();
  if (name == "task:list") return list();
  if (name == "task:show") return show();
  if (name == "task:post") return post();
  return cancel();
}

// An error that scripts read on stdout.
int Sdk::refuse(std::string_view code, std::string const& message, json::object more) {
  if (!json()) {
    note("Error: " + message);
    return kExitFailed;
  }
  json::object refusal{{"error", code}, {"message", message}};
  for (auto& member : more)
    refusal.emplace(member.key(), std::move(member.value()));
  pretty(refusal);
  return kExitFailed;
}

Result<int> Sdk::create() {
  workflow::NewRun wanted;
  wanted.runs_root = runs_root(places_);
  wanted.run_id = words_.option("--run-id");
  wanted.process_id = words_.option("--process-id");
  wanted.request = words_.option("--request");
  wanted.prompt = words_.option("--prompt");
  wanted.harness = words_.option("--harness");
  wanted.process_revision = words_.option("--process-revision");
  wanted.non_interactive = words_.flag("--non-interactive");
  wanted.cwd = places_.cwd;
  if (auto const entry = words_.option("--entry"); !entry.empty()) {
    auto parsed = workflow::parse_entrypoint(entry);
    if (!parsed) return std::unexpected(parsed.error());
    parsed->import_path =
        (std::filesystem::path{places_.cwd} / parsed->import_path).lexically_normal().string();
    wanted.entry = *std::move(parsed);
  }
  if (auto const file = words_.option("--inputs"); !file.empty()) {
    auto inputs = read_json_argument(file, places_.cwd);
    if (!inputs) return std::unexpected(inputs.error());
    wanted.inputs = *std::move(inputs);
  }
  std::string const entry_text = wanted.entry ? wanted.entry->text() : "";
  if (words_.flag("--dry-run")) {
    auto const or_null = [](std::string const& text) {
      json::value value;
      if (!text.empty()) value = text;
      return value;
    };
    pretty(json::object{{"dryRun", true},
                        {"runsDir", wanted.runs_root},
                        {"processId", or_null(wanted.process_id)},
                        {"entry", or_null(entry_text)},
                        {"runId", or_null(wanted.run_id)},
                        {"request", or_null(wanted.request)},
                        {"processRevision", or_null(wanted.process_revision)},
                        {"inputsPath", or_null(words_.option("--inputs"))}});
    return kExitOk;
  }
  if (wanted.entry) DROVER_TRY(check(*wanted.entry));
  auto const created = workflow::create_run(wanted, context_.clock, context_.random);
  if (!created) return std::unexpected(created.error());
  auto const entry = created->record.entrypoint.text();
  if (json())
    pretty(json::object{
        {"runId", created->record.run_id}, {"runDir", created->folder.path()}, {"entry", entry}});
  else
    say(fmt::format("runId={} runDir={} entry={}", created->record.run_id, created->folder.path(),
                    entry));
  return kExitOk;
}

Result<int> Sdk::assign() {
  auto const run = found();
  if (!run) return refuse("RUN_NOT_FOUND", run.error().message);
  auto entry = workflow::parse_entrypoint(words_.option("--entry"));
  if (!entry) return std::unexpected(entry.error());
  entry->import_path =
      (std::filesystem::path{places_.cwd} / entry->import_path).lexically_normal().string();
  DROVER_TRY(check(*entry));
  auto opened = open(*run, "run:assign-process");
  if (!opened) return std::unexpected(opened.error());
  workflow::Assignment wanted;
  wanted.entry = *entry;
  wanted.process_id = words_.option("--process-id");
  wanted.process_revision = words_.option("--process-revision");
  wanted.force = words_.flag("--force");
  auto const current = opened->record().entrypoint.text();
  auto const assigned = workflow::assign_process(*opened, wanted);
  if (!assigned && assigned.error().code == ErrorCode::conflict)
    return refuse("PROCESS_ALREADY_ASSIGNED", assigned.error().message,
                  json::object{{"currentEntrypoint", current}});
  if (!assigned) return std::unexpected(assigned.error());
  if (json())
    pretty(json::object{{"runId", opened->record().run_id},
                        {"runDir", run->shown},
                        {"entry", entry->text()},
                        {"processId", assigned->process_id},
                        {"previousEntrypoint", assigned->previous.object()},
                        {"assigned", true}});
  else
    say(fmt::format("runId={} entry={}", opened->record().run_id, entry->text()));
  return kExitOk;
}

Result<int> Sdk::iterate() {
  auto const run = found();
  if (!run) return std::unexpected(run.error());
  auto const host = host_spec(context_);
  if (!host) return std::unexpected(host.error());
  auto const iterated = workflow::iterate(run->folder, *host, context_.clock, context_.random);
  if (!iterated) return std::unexpected(iterated.error());
  std::optional<std::int64_t> iteration;
  if (auto const text = words_.option("--iteration"); !text.empty())
    iteration = std::strtoll(text.c_str(), nullptr, 10);
  if (json())
    pretty(iterated_view(*iterated, iteration));
  else
    say(fmt::format("iteration={} reason={}", iteration.value_or(iterated->count + 1),
                    iterated->reason));
  if (iterated->state == workflow::IterateState::failed) note(iterated->reason);
  return iterated->state == workflow::IterateState::halted ? kExitFailed : kExitOk;
}

Result<Sdk::Seen> Sdk::look() {
  auto const run = found();
  if (!run) return std::unexpected(run.error());
  auto view = workflow::read_run(run->folder);
  if (!view)
    return fail(view.error().code, "unable to read journal at {}: {}", run->shown,
                view.error().message);
  auto state = workflow::read_state(run->folder);
  if (!state)
    note(fmt::format("state cache snapshot missing at {} (continuing without metadata)",
                     run->shown));
  return Seen{*std::move(view), std::move(state)};
}

Result<int> Sdk::status() {
  auto const seen = look();
  if (!seen) return std::unexpected(seen.error());
  auto const& [view, state] = *seen;
  if (json())
    compact(status_view(view, state));
  else
    say(fmt::format("state={} pending={}", to_string(status_state(view.history)),
                    view.history.pending()));
  return kExitOk;
}

Result<int> Sdk::events() {
  auto const seen = look();
  if (!seen) return std::unexpected(seen.error());
  auto const& [view, state] = *seen;
  workflow::EventsQuery query;
  query.type = words_.option("--filter-type");
  query.reverse = words_.flag("--reverse");
  if (auto const limit = words_.option("--limit"); !limit.empty())
    query.limit = std::strtoull(limit.c_str(), nullptr, 10);
  auto const events = events_view(view, state, query);
  if (json()) {
    compact(events);
    return kExitOk;
  }
  for (auto const& event : events.at("events").as_array())
    say(fmt::format("#{} {} {}", event.at("seq").to_number<std::uint64_t>(),
                    event.at("type").as_string().c_str(),
                    event.at("recordedAt").as_string().c_str()));
  return kExitOk;
}

Result<int> Sdk::rebuild_state() {
  auto const run = found();
  if (!run) return std::unexpected(run.error());
  if (words_.flag("--dry-run")) {
    pretty(json::object{{"dryRun", true},
                        {"runDir", run->shown},
                        {"plan", "rebuild_state_cache"},
                        {"reason", "cli_manual"}});
    return kExitOk;
  }
  auto const opened = open(*run, "run:rebuild-state");
  if (!opened) return std::unexpected(opened.error());
  DROVER_TRY(opened->save_state("cli_manual"));
  if (json())
    pretty(rebuilt_view(run->shown, opened->history(), "cli_manual"));
  else
    say(fmt::format("runDir={} stateVersion={}", run->shown, opened->history().head().seq));
  return kExitOk;
}

Result<int> Sdk::repair_journal() {
  auto const run = found();
  if (!run) return std::unexpected(run.error());
  auto const repaired = workflow::repair_journal(run->folder, context_.clock, context_.random);
  if (!repaired) return std::unexpected(repaired.error());
  auto const& plan = repaired->plan;
  for (auto const& each : plan.notes)
    note(fmt::format("{}: {}", each.what, each.why));
  json::value backup;
  if (!repaired->backup.empty()) backup = repaired->backup;
  json::object journal{{"originalFiles", plan.original_files},
                       {"keptEvents", plan.events.size()},
                       {"droppedCorrupt", plan.corrupt},
                       {"droppedRequested", plan.dropped_requests},
                       {"droppedResolved", plan.dropped_resolutions}};
  if (json())
    pretty(json::object{{"runDir", run->shown},
                        {"journal", std::move(journal)},
                        {"backupDir", std::move(backup)},
                        {"repaired", true}});
  else
    say(fmt::format("runDir={} keptEvents={} lost={}", run->shown, plan.events.size(), plan.lost));
  return kExitOk;
}

Result<int> Sdk::recover_process_error() {
  auto const run = found();
  if (!run) return std::unexpected(run.error());
  std::optional<workflow::ResultPatch> patch;
  json::value patched;
  if (auto const text = words_.option("--patch-effect"); !text.empty()) {
    auto parsed = workflow::parse_patch(text);
    if (!parsed) return std::unexpected(parsed.error());
    patched = json::object{{"effectId", parsed->effect_id}, {"path", parsed->path}};
    patch = *std::move(parsed);
  }
  auto const recovered =
      workflow::recover_error(run->folder, patch, context_.clock, context_.random);
  if (!recovered) return std::unexpected(recovered.error());
  json::value backup;
  if (!recovered->backup.empty()) backup = recovered->backup;
  if (json())
    pretty(json::object{{"runDir", run->shown},
                        {"recovered", true},
                        {"processError", recovered->error},
                        {"patchedEffect", std::move(patched)},
                        {"backupDir", std::move(backup)},
                        {"metadata", metadata_view(workflow::read_state(run->folder))}});
  else
    say(fmt::format("runDir={} recovered", run->shown));
  return kExitOk;
}

Result<int> Sdk::halt() {
  auto const run = found();
  if (!run) return std::unexpected(run.error());
  std::string const given = words_.option("--final-status");
  std::string const status = given.empty() ? "completed" : given;
  if (status != "completed" && status != "failed")
    return fail(ErrorCode::invalid_argument, "--final-status is completed or failed");
  auto opened = open(*run, "run:halt");
  if (!opened) return std::unexpected(opened.error());
  std::string const given_reason = words_.option("--reason");
  std::string const reason = given_reason.empty() ? "manual halt" : given_reason;
  auto const sealed = workflow::seal_run(
      *opened,
      status == "failed" ? workflow::FinalStatus::failed : workflow::FinalStatus::completed,
      reason);
  if (!sealed) return std::unexpected(sealed.error());
  json::value event;
  if (*sealed) event = event_view(**sealed);
  if (json())
    pretty(json::object{{"runDir", run->shown},
                        {"halted", true},
                        {"finalStatus", status},
                        {"reason", reason},
                        {"completionProof", opened->record().completion_proof()},
                        {"alreadyTerminal", !*sealed},
                        {"event", std::move(event)},
                        {"metadata", metadata_view(workflow::read_state(run->folder))}});
  else
    say(fmt::format("runDir={} finalStatus={}{}", run->shown, status,
                    *sealed ? "" : " (it had ended before)"));
  return kExitOk;
}

Result<int> Sdk::list() {
  auto const run = found();
  if (!run) return std::unexpected(run.error());
  auto const view = workflow::read_run(run->folder);
  if (!view)
    return fail(view.error().code, "unable to read run at {}: {}", run->shown,
                view.error().message);
  auto const tasks = tasks_view(
      view->history, {.pending = words_.flag("--pending"), .kind = words_.option("--kind")});
  if (json()) {
    pretty(tasks);
    return kExitOk;
  }
  for (auto const& task : tasks.at("tasks").as_array()) {
    auto const& entry = task.as_object();
    say(fmt::format("{} [{} {}] {}", string_or(entry, "effectId", ""), string_or(entry, "kind", ""),
                    string_or(entry, "status", ""), string_or(entry, "label", "")));
  }
  return kExitOk;
}

Result<int> Sdk::show() {
  auto const run = found();
  if (!run) return std::unexpected(run.error());
  auto const view = workflow::read_run(run->folder);
  if (!view)
    return fail(view.error().code, "unable to read run at {}: {}", run->shown,
                view.error().message);
  auto const* const effect = view->history.by_id(words_.argument(1));
  if (effect == nullptr)
    return fail(ErrorCode::not_found, "effect {} not found in {}", printable(words_.argument(1)),
                run->shown);
  // Payloads are for those who say so twice, as in the SDK.
  auto const allowed = context_.environment("BABYSITTER_ALLOW_SECRET_LOGS").value_or("");
  bool const open_payloads =
      (allowed == "1" || allowed == "true") && json() && words_.flag("--verbose");
  json::value task;
  json::value result;
  json::value large;
  auto const stored = workflow::read_result(run->folder, *effect);
  if (stored && *stored && (*stored)->is_object() && (*stored)->get_object().contains("resultRef"))
    large = effect->result_ref;
  if (open_payloads) {
    auto const definition = workflow::read_task(run->folder, effect->id);
    if (definition && *definition) task = **definition;
    if (stored && *stored && large.is_null()) result = **stored;
  }
  json::object shown{{"effect", task_view(*effect)},
                     {"task", std::move(task)},
                     {"result", std::move(result)},
                     {"largeResult", std::move(large)}};
  if (json())
    compact(shown);
  else
    say(fmt::format("{} [{} {}] {}", effect->id, effect->kind, to_string(effect->status),
                    effect->label));
  return kExitOk;
}

Result<workflow::TaskResult> Sdk::result_of(FoundRun const& run) {
  workflow::TaskResult result;
  std::string const status = words_.option("--status");
  std::string const& folder = run.folder.path();
  auto const inline_value = words_.option("--value-inline");
  auto const value_file = words_.option("--value");
  if (status != "ok" && status != "error")
    return fail(ErrorCode::invalid_argument, "missing required --status <ok|error>");
  if (!inline_value.empty() && !value_file.empty())
    return fail(ErrorCode::invalid_argument, "cannot combine --value with --value-inline");
  if (status == "ok") {
    if (inline_value.empty() && value_file.empty())
      return fail(ErrorCode::invalid_argument, "ok results require --value or --value-inline");
    auto value = inline_value.empty() ? read_json_argument(value_file, folder)
                                      : Result<std::optional<json::value>>{std::nullopt};
    if (!inline_value.empty()) {
      auto parsed = parse_json(inline_value);
      if (!parsed)
        return fail(ErrorCode::invalid_argument, "--value-inline: {}", parsed.error().message);
      value = *std::move(parsed);
    }
    if (!value) return std::unexpected(value.error());
    if (!*value) return fail(ErrorCode::invalid_argument, "{} holds no value", value_file);
    result.value = **std::move(value);
  } else {
    result.outcome = workflow::Outcome::error;
    result.error = json::object{{"name", "Error"}, {"message", "Task reported failure"}};
    if (auto const file = words_.option("--error"); !file.empty()) {
      auto error = read_json_argument(file, folder);
      if (!error) return std::unexpected(error.error());
      if (*error) result.error = **std::move(error);
    }
  }
  for (auto const& [option, into] :
       {std::pair{"--stdout-file", &result.out}, std::pair{"--stderr-file", &result.err}}) {
    auto const file = words_.option(option);
    if (file.empty()) continue;
    auto text = read_text_argument(file, folder);
    if (!text) return std::unexpected(text.error());
    *into = *std::move(text);
  }
  if (auto const file = words_.option("--metadata"); !file.empty()) {
    auto metadata = read_json_argument(file, folder);
    if (!metadata) return std::unexpected(metadata.error());
    if (*metadata && (*metadata)->is_object()) result.metadata = (*metadata)->get_object();
  }
  result.out_ref = words_.option("--stdout-ref");
  result.err_ref = words_.option("--stderr-ref");
  result.started_at = words_.option("--started-at");
  result.finished_at = words_.option("--finished-at");
  return result;
}

Result<int> Sdk::post() {
  auto const run = found();
  if (!run) return std::unexpected(run.error());
  auto result = result_of(*run);
  if (!result) return std::unexpected(result.error());
  bool const ok = result->outcome == workflow::Outcome::ok;
  auto opened = open(*run, "runtime:commitEffectResult");
  if (!opened) return std::unexpected(opened.error());
  std::string const effect_id = words_.argument(1);
  if (auto const key = words_.option("--invocation-key"); !key.empty()) {
    auto const* const effect = opened->history().by_id(effect_id);
    if (effect != nullptr && effect->key != key)
      return fail(ErrorCode::conflict, "Invocation key mismatch for effect {}", effect_id);
  }
  auto const posted = opened->post(effect_id, *std::move(result));
  if (!posted) return std::unexpected(posted.error());
  DROVER_TRY(opened->save_state("post_effect_resolution"));
  auto const or_null = [](std::string const& text) {
    json::value value;
    if (!text.empty()) value = text;
    return value;
  };
  json::object committed{{"resultRef", posted->refs.result}};
  if (!posted->refs.out.empty()) committed.emplace("stdoutRef", posted->refs.out);
  if (!posted->refs.err.empty()) committed.emplace("stderrRef", posted->refs.err);
  committed.emplace("startedAt", posted->started_at);
  committed.emplace("finishedAt", posted->finished_at);
  std::string_view const status = ok || posted->normalized ? "ok" : "error";
  json::object view{{"status", status}};
  if (opened->record().writer == workflow::Writer::current)
    view.emplace("normalizedShellFailure", posted->normalized);
  view.emplace("committed", std::move(committed));
  view.emplace("stdoutRef", or_null(posted->refs.out));
  view.emplace("stderrRef", or_null(posted->refs.err));
  view.emplace("resultRef", or_null(posted->refs.result));
  if (json())
    compact(view);
  else
    say(fmt::format("status={} resultRef={}", status, posted->refs.result));
  // The SDK says 1 for an error that was recorded well; scripts count on it.
  return ok || posted->normalized ? kExitOk : kExitFailed;
}

Result<int> Sdk::cancel() {
  auto const run = found();
  if (!run) return std::unexpected(run.error());
  auto opened = open(*run, "runtime:commitEffectCancellation");
  if (!opened) return std::unexpected(opened.error());
  auto const effect_id = words_.argument(1);
  auto const cancelled = opened->cancel(effect_id, words_.option("--reason"));
  if (!cancelled) return std::unexpected(cancelled.error());
  DROVER_TRY(opened->save_state("post_effect_cancellation"));
  json::object view{
      {"effectId", effect_id}, {"status", "cancelled"}, {"resultRef", cancelled->refs.result}};
  if (json())
    compact(view);
  else
    say(fmt::format("effectId={} status=cancelled", effect_id));
  return kExitOk;
}

}  // namespace

int execute(Context const& context, SdkCommand const& command) {
  auto const words = parse_sdk_words(command.words);
  auto const code = words ? Sdk{context, *words}.run() : std::unexpected(words.error());
  if (code) return *code;
  std::string_view const error = command.words.front() == "run:iterate" ? "Error: " : "";
  context.screen.note(
      terminal_safe(fmt::format("[{}] {}{}", command.words.front(), error, code.error().message)));
  return kExitFailed;
}

}  // namespace drover::cli
