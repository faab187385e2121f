#include "workflow/task_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/digest.h"
#include "base/text.h"
#include "os/files.h"
#include "workflow/collation.h"
#include "workflow/js_text.h"

namespace drover::workflow {

namespace {

constexpr std::string_view kTaskSchema = "2026.01.tasks-v1";
constexpr std::string_view kResultSchema = "2026.01.results-v1";
constexpr std::size_t kInlineMax = std::size_t{1} << 20U;

// Writes a value that is too large to lie in its record, and returns where; empty: it is not.
Result<std::string> spill(RunFolder const& run, std::string const& effect_id, std::string_view what,
                          json::value const& value) {
  std::string const text = file_text(value);
  if (text.size() <= kInlineMax) return "";
  std::string const reference =
      fmt::format("tasks/{}/blobs/{}-{}.json", effect_id, what, sha256_hex(text));
  DROVER_TRY(run.write_text(reference, text));
  return reference;
}

json::array tidy_labels(json::array const& labels) {
  std::vector<std::string> tidy;
  for (auto const& label : labels)
    if (label.is_string()) tidy.emplace_back(trim(std::string_view{label.get_string()}));
  std::erase(tidy, "");
  std::ranges::sort(tidy, [](auto const& a, auto const& b) { return locale_compare(a, b) < 0; });
  auto const repeated = std::ranges::unique(tidy);
  tidy.erase(repeated.begin(), repeated.end());
  return json::array(tidy.begin(), tidy.end());
}

void put_unless_empty(json::object& into, std::string_view key, std::string const& text) {
  if (!text.empty()) into.emplace(key, text);
}

std::string_view status_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::error:
      return "error";
    case Outcome::cancelled:
      return "cancelled";
  }
  return "error";
}

Result<std::string> write_stream(RunFolder const& run, std::string const& effect_id,
                                 std::string_view name, std::optional<std::string> const& text,
                                 std::string const& reference) {
  if (!text) return reference;
  std::string const written = fmt::format("tasks/{}/{}.log", effect_id, name);
  DROVER_TRY(run.write_text(written, *text));
  return written;
}

Result<std::optional<json::value>> follow(RunFolder const& run, json::object const& record,
                                          std::string_view key) {
  auto const reference = string_or(record, key, "");
  if (reference.empty()) return std::nullopt;
  auto const path = run.referenced(reference);
  if (!path) return std::unexpected(path.error());
  auto value = run.read_json(*path);
  if (value && !*value)
    return fail(ErrorCode::data_corrupt, "{} is missing, and {} names it", printable(*path, 400),
                key);
  return value;
}

}  // namespace

Result<TaskRefs> write_task(RunFolder const& run, Writer writer, NewTask const& task) {
  json::object definition = task.definition;
  if (auto* const labels = definition.if_contains("labels");
      labels != nullptr && labels->is_array())
    *labels = tidy_labels(labels->get_array());
  json::value sorted = sorted_members(definition);
  json::object record = std::move(sorted.get_object());
  TaskRefs refs;
  refs.task = fmt::format("tasks/{}/task.json", task.effect_id);
  record["schemaVersion"] = kTaskSchema;
  record["effectId"] = task.effect_id;
  record["taskId"] = task.task_id;
  record["invocationKey"] = task.key;
  record["stepId"] = task.step_id;
  if (task.inputs) {
    json::value const inputs = sorted_members(*task.inputs);
    auto reference = spill(run, task.effect_id, "inputs", inputs);
    if (!reference) return std::unexpected(reference.error());
    refs.inputs = *std::move(reference);
    if (refs.inputs.empty())
      record["inputs"] = inputs;
    else
      record["inputsRef"] = refs.inputs;
  }
  if (writer == Writer::current) record["sdkVersion"] = kFormatVersion;
  DROVER_TRY(run.write_json(refs.task, record));
  return refs;
}

Result<ResultRefs> write_result(RunFolder const& run, Writer writer, Effect const& effect,
                                TaskResult const& result) {
  ResultRefs refs;
  refs.result = fmt::format("tasks/{}/result.json", effect.id);
  auto out = write_stream(run, effect.id, "stdout", result.out, result.out_ref);
  if (!out) return std::unexpected(out.error());
  auto err = write_stream(run, effect.id, "stderr", result.err, result.err_ref);
  if (!err) return std::unexpected(err.error());
  refs.out = *std::move(out);
  refs.err = *std::move(err);

  json::object record;
  record.emplace("schemaVersion", kResultSchema);
  record.emplace("effectId", effect.id);
  record.emplace("taskId", effect.task_id);
  record.emplace("invocationKey", effect.key);
  record.emplace("status", status_of(result.outcome));
  std::optional<json::value> value;
  if (result.outcome == Outcome::ok && result.value) {
    value = sorted_members(*result.value);
    auto reference = spill(run, effect.id, "result", *value);
    if (!reference) return std::unexpected(reference.error());
    if (reference->empty()) {
      record.emplace("result", *value);
    } else {
      record.emplace("resultRef", *reference);
      value.reset();
    }
  }
  if (result.outcome == Outcome::error) record.emplace("error", sorted_members(result.error));
  put_unless_empty(record, "stdoutRef", refs.out);
  put_unless_empty(record, "stderrRef", refs.err);
  put_unless_empty(record, "reason", result.reason);
  put_unless_empty(record, "startedAt", result.started_at);
  put_unless_empty(record, "finishedAt", result.finished_at);
  if (result.metadata) record.emplace("metadata", sorted_members(*result.metadata));
  if (value) record.emplace("value", *std::move(value));
  if (writer == Writer::current) record.emplace("sdkVersion", kFormatVersion);
  DROVER_TRY(run.write_json(refs.result, record));
  return refs;
}

Result<std::optional<json::value>> read_task(RunFolder const& run, std::string const& effect_id) {
  return run.read_json(run.task(effect_id) + "/task.json");
}

Result<std::optional<json::value>> read_result(RunFolder const& run, Effect const& effect) {
  std::string const usual = fmt::format("tasks/{}/result.json", effect.id);
  auto const path = run.referenced(effect.result_ref.empty() ? usual : effect.result_ref);
  if (!path) return std::unexpected(path.error());
  return run.read_json(*path);
}

Result<Given> read_given(RunFolder const& run, Effect const& effect) {
  Given given;
  if (effect.status == EffectStatus::cancelled) {
    given.outcome = Outcome::cancelled;
    std::string_view reason = effect.reason;
    if (reason.empty()) reason = "cancelled";
    given.error = json::object{{"name", "EffectCancelledError"}, {"message", reason}};
    return given;
  }
  if (effect.status == EffectStatus::resolved_error) given.outcome = Outcome::error;
  if (given.outcome == Outcome::error && effect.error.is_object()) {
    given.error = effect.error;
    return given;
  }
  auto const stored = read_result(run, effect);
  if (!stored) return std::unexpected(stored.error());
  if (!*stored || !(*stored)->is_object())
    return fail(ErrorCode::data_corrupt, "Result for effect {} is missing from disk", effect.id);
  auto const& record = (*stored)->get_object();
  if (given.outcome == Outcome::error || string_or(record, "status", "ok") != "ok") {
    given.outcome = Outcome::error;
    auto const* const error = record.if_contains("error");
    given.error = json::object{{"name", "Error"}, {"message", "Task reported failure"}};
    if (error != nullptr) given.error = *error;
    return given;
  }
  for (auto const* const key : {"result", "value"}) {
    auto const* const value = record.if_contains(key);
    if (value == nullptr) continue;
    given.value = *value;
    return given;
  }
  auto spilled = follow(run, record, "resultRef");
  if (!spilled) return std::unexpected(spilled.error());
  if (*spilled) given.value = **std::move(spilled);
  return given;
}

Result<std::optional<json::value>> read_inputs(RunFolder const& run, Effect const& effect) {
  auto const task = read_task(run, effect.id);
  if (!task) return std::unexpected(task.error());
  if (!*task || !(*task)->is_object()) return std::nullopt;
  auto const& record = (*task)->get_object();
  if (auto const* const inputs = record.if_contains("inputs")) return *inputs;
  return follow(run, record, "inputsRef");
}

}  // namespace drover::workflow
