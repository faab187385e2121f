#include "workflow/iterate.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/text.h"
#include "os/files.h"
#include "workflow/create_run.h"
#include "workflow/document.h"
#include "workflow/heartbeat.h"
#include "workflow/state_cache.h"

namespace drover::workflow {

namespace {

std::string message_of(json::value const& error) {
  auto const* const object = error.if_object();
  return object == nullptr ? "" : std::string{string_or(*object, "message", "")};
}

std::string waiting_reason(std::vector<NextAction> const& actions) {
  std::set<std::string> kinds;
  for (auto const& action : actions)
    kinds.insert(action.effect.kind);
  if (kinds.empty()) return "no-pending-effects";
  if (kinds.size() > 1) {
    std::string list;
    for (auto const& kind : kinds)
      list += (list.empty() ? "" : ",") + kind;
    return "mixed-pending:" + list;
  }
  std::string const& kind = *kinds.begin();
  return kind + (kind == "breakpoint" || kind == "sleep" ? "-waiting" : "-pending");
}

// The last effect that ended, for whoever looks into an error.
json::value last_effect(History const& history) {
  Effect const* last = nullptr;
  for (auto const& effect : history.effects())
    if (effect.resolved_seq > (last == nullptr ? 0 : last->resolved_seq)) last = &effect;
  if (last == nullptr) return nullptr;
  json::object view;
  view.emplace("effectId", last->id);
  view.emplace("invocationKey", last->key);
  view.emplace("taskId", last->task_id);
  view.emplace("stepId", last->step_id);
  view.emplace("kind", last->kind);
  view.emplace("status", to_string(last->status));
  if (!last->result_ref.empty()) view.emplace("resultRef", last->result_ref);
  return view;
}

json::object process_error(OpenRun const& run, json::value const& error) {
  History const& history = run.history();
  json::object data;
  data.emplace("error", error);
  data.emplace("iteration", history.head().seq / 2);
  data.emplace("runId", run.record().run_id);
  data.emplace("processId", run.record().process_id);
  data.emplace("journalHead",
               json::object{{"seq", history.head().seq}, {"ulid", history.head().ulid}});
  data.emplace("lastEffect", last_effect(history));
  data.emplace("recovery",
               json::object{{"command", "run:recover-process-error"}, {"recoverable", true}});
  return data;
}

Iterated about(RunRecord const& record) {
  Iterated iterated;
  iterated.run_id = record.run_id;
  iterated.process_id = record.process_id;
  return iterated;
}

Result<Iterated> complete(OpenRun& run, Pass const& pass) {
  DROVER_TRY(run.folder().write_json("state/output.json", pass.output));
  DROVER_TRY(run.append(
      NewEvent{event_type::kRunCompleted, json::object{{"outputRef", "state/output.json"}}}));
  DROVER_TRY(run.save_state("post_completion"));
  auto iterated = *ended_before(run.record(), run.history());
  iterated.output = pass.output;
  return iterated;
}

Result<Iterated> fail_run(OpenRun& run, Pass const& pass) {
  bool const older = run.record().writer == Writer::older;
  if (older)
    DROVER_TRY(run.append(NewEvent{event_type::kRunFailed, json::object{{"error", pass.error}}}));
  else
    DROVER_TRY(run.append(NewEvent{event_type::kProcessError, process_error(run, pass.error)}));
  DROVER_TRY(run.save_state(older ? "post_failure" : "post_process_runtime_error"));
  return *ended_before(run.record(), run.history());
}

Result<Iterated> halt_run(OpenRun& run, Pass const& pass) {
  json::object data{{"reason", pass.reason}};
  if (!pass.payload.is_null()) data.emplace("payload", pass.payload);
  DROVER_TRY(run.append(NewEvent{event_type::kRunHalted, std::move(data)}));
  DROVER_TRY(run.save_state("post_halt"));
  return *ended_before(run.record(), run.history());
}

// The run is completed by another one, of the same process, that begins anew. Its id follows from
// this run's, so that a crash in between makes no second one.
Result<Iterated> continue_run(OpenRun& run, Pass const& pass) {
  RunRecord const& record = run.record();
  NewRun next;
  next.runs_root = std::filesystem::path{run.folder().path()}.parent_path().string();
  next.run_id = record.run_id + "-next";
  next.process_id = record.process_id;
  next.entry =
      Entrypoint{entry_file(run.folder(), record.entrypoint), record.entrypoint.export_name};
  if (!pass.payload.is_null()) next.inputs = pass.payload;
  next.request = string_or(record.raw, "request", "");
  next.harness = record.harness;
  next.cwd = string_or(record.raw, "cwd", "");
  next.non_interactive = record.non_interactive();
  auto const created = create_run(next, run.clock(), run.random());
  if (!created) return std::unexpected(created.error());
  Pass completed;
  completed.rest = Rest::completed;
  completed.output = json::object{{"continuedAs", next.run_id}};
  auto iterated = complete(run, completed);
  if (iterated) iterated->continued_as = next.run_id;
  return iterated;
}

Result<Iterated> wait_on(OpenRun const& run, Pass pass) {
  auto iterated = about(run.record());
  iterated.state = IterateState::waiting;
  for (auto& action : pass.actions) {
    auto const* const effect = run.history().by_id(action.effect_id);
    if (effect != nullptr) iterated.actions.push_back({*effect, std::move(action.definition)});
  }
  iterated.reason = waiting_reason(iterated.actions);
  for (auto const& effect_id : pass.unused)
    iterated.warnings.push_back(
        fmt::format("the process did not ask for effect {} of the journal", effect_id));
  return iterated;
}

}  // namespace

std::optional<Iterated> ended_before(RunRecord const& record, History const& history) {
  auto iterated = about(record);
  switch (history.end()) {
    case RunEnd::none:
      return std::nullopt;
    case RunEnd::completed:
      iterated.state = IterateState::completed;
      iterated.reason = "completed";
      iterated.completion_proof = record.completion_proof();
      return iterated;
    case RunEnd::halted:
      iterated.state = IterateState::halted;
      iterated.reason = string_or(history.end_data(), "reason", "halted");
      if (auto const* const payload = history.end_data().if_contains("payload"))
        iterated.payload = *payload;
      return iterated;
    case RunEnd::failed:
    case RunEnd::process_error:
      break;
  }
  iterated.state = IterateState::failed;
  if (auto const* const error = history.end_data().if_contains("error")) iterated.error = *error;
  iterated.reason = history.end() == RunEnd::process_error
                        ? "process-error: " + message_of(iterated.error)
                        : "failed";
  return iterated;
}

Result<std::vector<std::string>> prepare(OpenRun& run) {
  std::vector<std::string> warnings;
  for (auto const& name : run.set_aside())
    warnings.push_back(fmt::format("set aside to orphaned/: {}", printable(name)));
  RunRecord record = run.record();
  // Of an assignment that was cut off between the journal and run.json.
  ProcessReference const& assigned = run.history().process();
  if (record.is_bare() && !assigned.entrypoint.empty() &&
      Entrypoint::of(assigned.entrypoint).import_path != kBareProcess) {
    record.raw["processId"] = assigned.id;
    record.raw["entrypoint"] = assigned.entrypoint;
    record.raw["processPath"] = Entrypoint::of(assigned.entrypoint).import_path;
    auto again = parse_run_record(record.raw);
    if (!again) return std::unexpected(again.error());
    record = *std::move(again);
    DROVER_TRY(run.save_record(record));
  }
  if (record.is_bare())
    return fail(ErrorCode::conflict,
                "Run has no process assigned. Use run:assign-process to attach a process before "
                "iterating.");
  auto const hash = code_hash(run.folder(), record.entrypoint);
  if (!hash) return std::unexpected(hash.error());
  if (!record.code_hash.empty() && record.code_hash != *hash) {
    json::object data{{"runId", record.run_id},
                      {"processId", record.process_id},
                      {"previousProcessCodeHash", record.code_hash},
                      {"processCodeHash", *hash}};
    DROVER_TRY(run.append(NewEvent{event_type::kCodeChanged, std::move(data)}));
    record.raw["processCodeHash"] = *hash;
    record.code_hash = *hash;
    DROVER_TRY(run.save_record(std::move(record)));
    warnings.emplace_back("the process's code has changed since the run last went on");
  }
  if (run.record().writer == Writer::current)
    DROVER_TRY(os::make_folders(run.folder().at("artifacts")));
  return warnings;
}

Status recover(OpenRun& run) {
  if (run.history().end() != RunEnd::process_error)
    return fail(ErrorCode::conflict, "the process of run {} has not thrown an error",
                run.record().run_id);
  DROVER_TRY(run.append(NewEvent{event_type::kContinued, json::object{}}));
  return run.save_state("process_error_recovery");
}

Result<bool> end_silent(OpenRun& run, std::vector<NextAction>& actions) {
  bool any = false;
  auto const now = run.now();
  for (auto& action : actions) {
    auto const timeout = heartbeat_timeout(action.definition);
    if (!timeout) continue;
    auto last = read_heartbeat(run.folder(), action.effect.id);
    if (!last) return std::unexpected(last.error());
    action.silent_at = silent_at(action.effect, action.definition, *last);
    if (!action.silent_at || *action.silent_at > now) continue;
    json::value details = *last ? std::move((*last)->details) : json::value{};
    auto const posted = run.post(action.effect.id, silent_result(*timeout, std::move(details)));
    if (!posted) return std::unexpected(posted.error());
    any = true;
  }
  return any;
}

Result<Iterated> conclude(OpenRun& run, Pass pass) {
  switch (pass.rest) {
    case Rest::waiting:
      return wait_on(run, std::move(pass));
    case Rest::completed:
      return complete(run, pass);
    case Rest::failed:
      return fail_run(run, pass);
    case Rest::halted:
      return halt_run(run, pass);
    case Rest::continued:
      return continue_run(run, pass);
  }
  return fail(ErrorCode::internal, "a pass came to nothing");
}

Result<Iterated> step(OpenRun& run, Execution& execution) {
  for (;;) {
    auto pass = execution.pass(run);
    if (!pass) return std::unexpected(pass.error());
    auto iterated = conclude(run, *std::move(pass));
    if (!iterated || iterated->state != IterateState::waiting) return iterated;
    auto const silent = end_silent(run, iterated->actions);
    if (!silent) return std::unexpected(silent.error());
    if (!*silent) return iterated;
  }
}

Result<std::optional<Iterated>> resting(OpenRun& run) {
  Pass pass;
  for (auto const& effect : run.history().effects()) {
    if (effect.status != EffectStatus::requested) continue;
    auto task = read_task(run.folder(), effect.id);
    if (!task) return std::unexpected(task.error());
    if (!*task) return std::nullopt;
    pass.actions.push_back({effect.id, **std::move(task)});
  }
  auto iterated = wait_on(run, std::move(pass));
  if (!iterated) return std::unexpected(iterated.error());
  auto const timer = next_timer(*iterated);
  if (timer && *timer <= run.now()) return std::nullopt;
  auto const silent = end_silent(run, iterated->actions);
  if (!silent) return std::unexpected(silent.error());
  if (*silent) return std::nullopt;
  return *std::move(iterated);
}

std::optional<WallTime> next_timer(Iterated const& iterated) {
  std::optional<WallTime> next;
  for (auto const& action : iterated.actions) {
    if (action.silent_at) next = next ? std::min(*next, *action.silent_at) : *action.silent_at;
    auto const* const definition = action.definition.if_object();
    auto const* const sleep = definition == nullptr ? nullptr : definition->if_contains("sleep");
    if (sleep == nullptr || !sleep->is_object()) continue;
    auto const target = from_unix_ms(integer_or(sleep->get_object(), "targetEpochMs", 0));
    next = next ? std::min(*next, target) : target;
  }
  return next;
}

Result<Iterated> iterate(RunFolder const& folder, HostSpec const& host, Clock const& clock,
                         Random& random) {
  auto run = OpenRun::open(folder, "runtime:orchestrateIteration", clock, random);
  if (!run) return std::unexpected(run.error());
  auto const cache = read_state(folder);
  std::int64_t const count = cache ? std::max<std::int64_t>(0, cache->version / 2) : 0;
  // What a reader would find wrong now, he finds right afterwards.
  auto const refresh_state = [&]() -> Status {
    auto const now = read_state(folder);
    if (now && now->head == run->history().head()) return {};
    bool const there = os::exists(folder.state_file());
    return run->save_state(now ? "journal_mismatch" : there ? "corrupt_cache" : "missing_cache");
  };
  auto iterated = ended_before(run->record(), run->history());
  if (!iterated) {
    auto const warnings = prepare(*run);
    if (!warnings) {
      DROVER_TRY(refresh_state());
      return std::unexpected(warnings.error());
    }
    auto execution = Execution::start(*run, host);
    if (!execution) return std::unexpected(execution.error());
    auto concluded = step(*run, *execution);
    if (!concluded) return std::unexpected(concluded.error());
    concluded->warnings.insert(concluded->warnings.begin(), warnings->begin(), warnings->end());
    iterated = *std::move(concluded);
  }
  DROVER_TRY(refresh_state());
  iterated->count = count;
  return *std::move(iterated);
}

Status check_entry(std::string const& path, std::string const& export_name, HostSpec const& host) {
  if (is_document(path)) {
    auto const document = read_document(path);
    return document ? Status{} : std::unexpected(document.error());
  }
  HostPlace place;
  place.entry = path;
  auto process = HostProcess::start(host, std::move(place));
  if (!process) return std::unexpected(process.error());
  json::object entry{{"path", os::real_path(path).value_or(path)}, {"export", export_name}};
  DROVER_TRY(process->write(
      json::object{{"start", json::object{{"onlyLoad", true}, {"entry", std::move(entry)}}}}));
  auto const reply = process->read();
  if (!reply) return std::unexpected(reply.error());
  json::value const whole = *reply;
  auto const turn = JsonObject::of(whole);
  auto const done = turn ? turn->object("done") : std::unexpected(turn.error());
  if (!done)
    return fail(ErrorCode::invalid_argument, "{} did not finish loading", printable(path, 400));
  auto const unloadable = done->object("unloadable");
  if (!unloadable) return {};
  return fail(ErrorCode::invalid_argument, "{}", string_or(unloadable->raw(), "message", "?"));
}

}  // namespace drover::workflow
