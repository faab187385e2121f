#include "contract/task_type.h"

#include <utility>

#include "contract/built_in_task_types.h"
#include "contract/fields.h"
#include "contract/schemas.h"

namespace drover::contract {

namespace {

constexpr std::array<Named<TaskPriority>, 4> kPriorities = {{{TaskPriority::critical, "critical"},
                                                             {TaskPriority::high, "high"},
                                                             {TaskPriority::normal, "normal"},
                                                             {TaskPriority::low, "low"}}};
TaskTimeouts timeouts_of(json::object const& object) {
  return {.queue_s = optional_int(object, "queue_s"),
          .run_s = optional_int(object, "run_s"),
          .step_s = optional_int(object, "step_s")};
}

Result<TaskDefaults> defaults_of(json::object const& object) {
  TaskDefaults defaults;
  defaults.agent = optional_text(object, "agent");
  defaults.model = optional_text(object, "model");
  if (object.contains("tools")) defaults.tools = texts_at(object, "tools");
  if (auto const* limits = object.if_contains("limits")) {
    auto parsed = parse_limits(*limits);
    if (!parsed) return std::unexpected(parsed.error());
    defaults.limits = *parsed;
  }
  if (auto const mode = optional_text(object, "mode")) {
    auto const parsed = parse_workspace_mode(*mode);
    if (!parsed) return std::unexpected(parsed.error());
    defaults.mode = *parsed;
  }
  return defaults;
}

json::object to_json(TaskTimeouts const& timeouts) {
  json::object out;
  put(out, "queue_s", timeouts.queue_s);
  put(out, "run_s", timeouts.run_s);
  put(out, "step_s", timeouts.step_s);
  return out;
}

json::object to_json(TaskDefaults const& defaults) {
  json::object out;
  put(out, "agent", defaults.agent);
  put(out, "model", defaults.model);
  if (defaults.tools) out["tools"] = to_array(*defaults.tools);
  json::value limits = contract::to_json(defaults.limits);
  if (!limits.get_object().empty()) out["limits"] = std::move(limits);
  if (defaults.mode) out["mode"] = to_string(*defaults.mode);
  return out;
}

void put_object(json::object& out, std::string_view key, json::object inner) {
  if (!inner.empty()) out[key] = std::move(inner);
}

}  // namespace

Result<TaskType> parse_task_type(json::value const& value) {
  DROVER_TRY(check(Contract::task, "taskType", value));
  json::object const& object = value.get_object();
  TaskType type;
  type.name = text_at(object, "name");
  type.description = text_at(object, "description");
  type.prompt = text_at(object, "prompt");
  if (auto const* payload = object.if_contains("payload")) {
    auto schema = Schema::compile(*payload);
    // A schema that does not hold must not turn into a check that never runs.
    if (!schema) return fail(ErrorCode::invalid_argument, "/payload{}", schema.error().message);
    type.payload = *payload;
    type.payload_schema = *std::move(schema);
  }
  type.payload_required = bool_at(object, "payload_required");
  type.pool = optional_text(object, "pool").value_or(type.pool);
  if (auto const* labels = object.if_contains("labels"))
    for (auto const& label : labels->get_object())
      type.labels.emplace(label.key(), label.value().get_string());
  type.interactive = bool_at(object, "interactive");
  type.priority = value_of(kPriorities, text_at(object, "priority")).value_or(TaskPriority::normal);
  if (auto const* timeouts = object.if_contains("timeouts"))
    type.timeouts = timeouts_of(timeouts->get_object());
  if (auto const* retry = object.if_contains("retry"))
    type.retry = task_retry_of(retry->get_object());
  if (auto const* defaults = object.if_contains("defaults")) {
    auto parsed = defaults_of(defaults->get_object());
    if (!parsed) return std::unexpected(std::move(parsed).error());
    type.defaults = *std::move(parsed);
  }
  return type;
}

Result<TaskType> parse_task_type(std::string_view text) {
  auto const value = parse_json(text);
  if (!value) return std::unexpected(value.error());
  return parse_task_type(*value);
}

json::value to_json(TaskType const& type) {
  json::object out;
  out["name"] = type.name;
  if (!type.description.empty()) out["description"] = type.description;
  if (!type.prompt.empty()) out["prompt"] = type.prompt;
  put(out, "payload", type.payload);
  if (type.payload_required) out["payload_required"] = true;
  if (type.pool != kDefaultPool) out["pool"] = type.pool;
  json::object labels;
  for (auto const& [name, value] : type.labels)
    labels[name] = value;
  put_object(out, "labels", std::move(labels));
  if (type.interactive) out["interactive"] = true;
  if (type.priority != TaskPriority::normal) out["priority"] = to_string(type.priority);
  put_object(out, "timeouts", to_json(type.timeouts));
  put_object(out, "retry", to_json(type.retry));
  put_object(out, "defaults", to_json(type.defaults));
  return out;
}

Status check_payload(TaskType const& type, json::value const* payload) {
  if (payload == nullptr) {
    if (!type.payload_required) return {};
    return fail(ErrorCode::invalid_argument, "/payload: a task of the type {} needs a payload",
                type.name);
  }
  if (!type.payload_schema) {
    if (payload->is_object()) return {};
    return fail(ErrorCode::invalid_argument, "/payload: expected an object");
  }
  auto const violations = type.payload_schema->validate(*payload);
  if (violations.empty()) return {};
  return fail(ErrorCode::invalid_argument, "/payload{}: {}", violations.front().pointer,
              violations.front().message);
}

std::string task_prompt(TaskType const& type, std::string_view prompt, json::value const* payload) {
  std::string text = type.prompt;
  auto const append = [&text](std::string_view part) {
    if (!text.empty() && !part.empty()) text += "\n\n";
    text += part;
  };
  append(prompt);
  if (payload != nullptr)
    append("The task's payload:\n```json\n" + json::serialize(*payload) + "\n```");
  return text;
}

std::string_view to_string(TaskPriority priority) {
  return name_of(kPriorities, priority);
}
std::vector<TaskType> const& built_in_task_types() {
  static std::vector<TaskType> const kTypes = [] {
    std::vector<TaskType> types;
    for (std::string_view const text : built_in_task_type_texts()) {
      auto type = parse_task_type(text);
      DROVER_CHECK(type.has_value());
      types.push_back(*std::move(type));
    }
    return types;
  }();
  return kTypes;
}

}  // namespace drover::contract
