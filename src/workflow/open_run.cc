#include "workflow/open_run.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "base/text.h"
#include "workflow/state_cache.h"

namespace drover::workflow {

namespace {

json::object requested_data(OpenRun::Request const& request, TaskRefs const& refs) {
  NewTask const& task = request.task;
  json::object data;
  data.emplace("effectId", task.effect_id);
  data.emplace("invocationKey", task.key);
  data.emplace("invocationHash", sha256_hex(task.key));
  data.emplace("stepId", task.step_id);
  data.emplace("taskId", task.task_id);
  data.emplace("kind", string_or(task.definition, "kind", ""));
  data.emplace("label", request.label);
  data.emplace("taskDefRef", refs.task);
  if (!refs.inputs.empty()) data.emplace("inputsRef", refs.inputs);
  if (!request.labels.empty())
    data.emplace("labels", json::array(request.labels.begin(), request.labels.end()));
  data.emplace("argumentsHash", request.arguments_hash);
  return data;
}

// A shell command that failed is a result that the process looks at, not an exception: so the sixth
// generation has it.
TaskResult as_shell_result(TaskResult result) {
  std::int64_t exit_code = 1;
  std::string message;
  if (auto const* const error = result.error.if_object()) {
    exit_code = integer_or(*error, "exitCode", exit_code);
    if (auto const* const data = error->if_contains("data"); data != nullptr && data->is_object())
      exit_code = integer_or(data->get_object(), "exitCode", exit_code);
    message = string_or(*error, "message", "");
  }
  if (result.metadata) exit_code = integer_or(*result.metadata, "exitCode", exit_code);
  if (message.empty() || message == "Task reported failure")
    message = fmt::format("Shell command exited with code {}", exit_code);
  result.value = json::object{{"success", false},
                              {"exitCode", exit_code},
                              {"stdout", result.out.value_or("")},
                              {"stderr", result.err.value_or("")},
                              {"error", message}};
  result.outcome = Outcome::ok;
  result.error = nullptr;
  return result;
}

std::string breakpoint_id(RunFolder const& run, Effect const& effect) {
  if (effect.kind != "breakpoint") return "";
  auto const task = read_task(run, effect.id);
  if (!task || !*task || !(*task)->is_object()) return "";
  auto const* const metadata = (*task)->get_object().if_contains("metadata");
  if (metadata == nullptr || !metadata->is_object()) return "";
  return std::string{string_or(metadata->get_object(), "breakpointId", "")};
}

json::object resolved_data(Effect const& effect, TaskResult const& result, ResultRefs const& refs,
                           std::string const& breakpoint) {
  json::object data;
  data.emplace("effectId", effect.id);
  data.emplace("status", result.outcome == Outcome::ok ? "ok" : "error");
  data.emplace("resultRef", refs.result);
  if (result.outcome == Outcome::error) data.emplace("error", result.error);
  if (!refs.out.empty()) data.emplace("stdoutRef", refs.out);
  if (!refs.err.empty()) data.emplace("stderrRef", refs.err);
  data.emplace("startedAt", result.started_at);
  data.emplace("finishedAt", result.finished_at);
  if (!breakpoint.empty()) data.emplace("breakpointId", breakpoint);
  if (result.signal_seq != 0)
    data.emplace("signalSeq", static_cast<std::int64_t>(result.signal_seq));
  return data;
}

}  // namespace

Result<RunView> read_run(RunFolder const& run) {
  auto record = read_run_record(run);
  if (!record) return std::unexpected(record.error());
  auto journal = read_journal(run);
  if (!journal) return std::unexpected(journal.error());
  auto history = History::of(journal->events);
  if (!history) return std::unexpected(history.error());
  return RunView{*std::move(record), *std::move(journal), *std::move(history)};
}

Result<OpenRun> OpenRun::open(RunFolder run, std::string_view owner, Clock const& clock,
                              Random& random, Millis wait) {
  // Before the lock, so that a mistyped folder is not waited for.
  if (auto const record = read_run_record(run); !record) return std::unexpected(record.error());
  auto lock = RunLock::acquire(run, owner, clock, wait);
  if (!lock) return std::unexpected(lock.error());
  auto view = read_run(run);
  if (!view) return std::unexpected(view.error());
  auto aside = workflow::set_aside(run, view->journal);
  if (!aside) return std::unexpected(aside.error());
  OpenRun opened{std::move(run), *std::move(lock), *std::move(view), clock, random};
  opened.set_aside_ = *std::move(aside);
  return opened;
}

OpenRun::OpenRun(RunFolder run, RunLock lock, RunView view, Clock const& clock, Random& random)
    : run_(std::move(run)),
      lock_(std::move(lock)),
      record_(std::move(view.record)),
      history_(std::move(view.history)),
      writer_(run_, history_.head(), record_.writer, record_.harness, clock, random),
      clock_(&clock),
      random_(&random) {}

Status OpenRun::take_up(std::string_view owner, Millis wait) {
  auto lock = RunLock::acquire(run_, owner, *clock_, wait);
  if (!lock) return std::unexpected(lock.error());
  auto record = read_run_record(run_);
  if (!record) return std::unexpected(record.error());
  auto const journal = read_journal_after(run_, history_.head());
  if (!journal) return std::unexpected(journal.error());
  for (auto const& event : journal->events)
    DROVER_TRY(history_.apply(event));
  auto aside = workflow::set_aside(run_, *journal);
  if (!aside) return std::unexpected(aside.error());
  lock_ = *std::move(lock);
  record_ = *std::move(record);
  set_aside_ = *std::move(aside);
  writer_.set_head(history_.head());
  return {};
}

Status OpenRun::append(std::vector<NewEvent> entries) {
  auto const events = writer_.append(std::move(entries));
  if (!events) return std::unexpected(events.error());
  for (auto const& event : *events)
    DROVER_TRY(history_.apply(event));
  return {};
}

Status OpenRun::append(NewEvent entry) {
  std::vector<NewEvent> entries;
  entries.push_back(std::move(entry));
  return append(std::move(entries));
}

Status OpenRun::request(std::vector<Request> const& requests) {
  std::vector<NewEvent> entries;
  entries.reserve(requests.size());
  for (auto const& request : requests) {
    auto const refs = write_task(run_, record_.writer, request.task);
    if (!refs) return std::unexpected(refs.error());
    entries.push_back({event_type::kEffectRequested, requested_data(request, *refs)});
  }
  return append(std::move(entries));
}

Result<Effect const*> OpenRun::open_effect(std::string const& effect_id) const {
  Effect const* const effect = history_.by_id(effect_id);
  if (effect == nullptr)
    return fail(ErrorCode::not_found, "effect {} not found at {}", printable(effect_id),
                printable(run_.path(), 400));
  if (effect->status != EffectStatus::requested)
    return fail(ErrorCode::conflict, "effect {} is not requested (status={})", printable(effect_id),
                to_string(effect->status));
  return effect;
}

Result<Posted> OpenRun::post(std::string const& effect_id, TaskResult result) {
  auto const effect = open_effect(effect_id);
  if (!effect) return std::unexpected(effect.error());
  Posted posted;
  if (result.started_at.empty()) result.started_at = now_text();
  if (result.finished_at.empty()) result.finished_at = now_text();
  if (result.outcome == Outcome::error && result.shell_error == ShellError::as_result &&
      (*effect)->kind == "shell" && record_.writer == Writer::current) {
    result = as_shell_result(std::move(result));
    posted.normalized = true;
  }
  auto refs = write_result(run_, record_.writer, **effect, result);
  if (!refs) return std::unexpected(refs.error());
  std::string const breakpoint =
      record_.writer == Writer::current ? breakpoint_id(run_, **effect) : "";
  DROVER_TRY(append(
      NewEvent{event_type::kEffectResolved, resolved_data(**effect, result, *refs, breakpoint)}));
  posted.refs = *std::move(refs);
  posted.started_at = std::move(result.started_at);
  posted.finished_at = std::move(result.finished_at);
  return posted;
}

Result<Posted> OpenRun::cancel(std::string const& effect_id, std::string const& reason) {
  auto const effect = open_effect(effect_id);
  if (!effect) return std::unexpected(effect.error());
  Posted posted;
  posted.started_at = now_text();
  posted.finished_at = posted.started_at;
  TaskResult result;
  result.outcome = Outcome::cancelled;
  result.reason = reason;
  result.started_at = posted.started_at;
  result.finished_at = posted.finished_at;
  auto refs = write_result(run_, record_.writer, **effect, result);
  if (!refs) return std::unexpected(refs.error());
  json::object data{{"effectId", effect_id}};
  if (!reason.empty()) data.emplace("reason", reason);
  DROVER_TRY(append(NewEvent{event_type::kEffectCancelled, std::move(data)}));
  posted.refs = *std::move(refs);
  return posted;
}

Status OpenRun::save_record(RunRecord record) {
  DROVER_TRY(run_.write_json("run.json", record.raw));
  record_ = std::move(record);
  return {};
}

Status OpenRun::save_state(std::string_view reason) const {
  return run_.write_json("state/state.json",
                         state_of(history_, record_.writer, now_text(), reason));
}

}  // namespace drover::workflow
