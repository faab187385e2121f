// The half of execution.h that hears what the process asks for.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "workflow/execution.h"
#include "workflow/messages.h"
#include "workflow/ulid.h"

namespace drover::workflow {

namespace {

constexpr std::string_view kSleepTask = "__sdk.sleep";

CallKind kind_of(std::string_view name) {
  if (name == "breakpoint") return CallKind::breakpoint;
  if (name == "sleep") return CallKind::sleep;
  if (name == "orchestrator") return CallKind::orchestrator;
  if (name == "signal") return CallKind::signal;
  if (name == "child") return CallKind::child;
  return CallKind::task;
}

std::vector<std::string> labels_of(std::string_view label, json::object const& definition) {
  std::vector<std::string> labels;
  auto const add = [&](std::string_view each) {
    std::string text{trim(each)};
    if (!text.empty() && std::ranges::find(labels, text) == labels.end())
      labels.push_back(std::move(text));
  };
  add(label);
  for (auto const& each : array_of(definition, "labels"))
    if (each.is_string()) add(each.get_string());
  return labels;
}

// What another tool's effect was asked with, as far as it is the same in every replay.
Result<std::string> recorded_hash(OpenRun const& run, Effect const& effect) {
  auto inputs = read_inputs(run.folder(), effect);
  if (!inputs) return std::unexpected(inputs.error());
  if (!*inputs) return arguments_hash(nullptr);
  if (effect.kind == "breakpoint" && (*inputs)->is_object())
    (*inputs)->get_object().erase("requestedAt");
  return arguments_hash(&**inputs);
}

std::optional<std::string> from_hex(std::string_view digits) {
  std::string bytes;
  bytes.reserve(digits.size() / 2);
  for (std::size_t at = 0; at < digits.size(); at += 2) {
    auto const pair = digits.substr(at, 2);
    unsigned value = 0;
    auto const [end, error] = std::from_chars(pair.data(), pair.data() + pair.size(), value, 16);
    if (error != std::errc{} || pair.size() != 2 || end != pair.data() + 2) return std::nullopt;
    bytes += static_cast<char>(value);
  }
  return bytes;
}

// A file of an effect that is being described. The process cannot write it itself, and may say
// anything.
Result<json::value> keep_blob(RunFolder const& run, json::object const& wanted) {
  auto const effect_id = text_of(wanted, "effectId");
  auto const name = text_of(wanted, "name");
  auto const bytes = from_hex(text_of(wanted, "hex"));
  if (!is_plain_name(effect_id) || !is_plain_name(name) || !bytes)
    return fail(ErrorCode::invalid_argument, "the process gave a blob that is none: {}",
                printable(name, 200));
  DROVER_TRY(run.write_text(fmt::format("tasks/{}/blobs/{}", effect_id, name), *bytes));
  return json::value{};
}

}  // namespace

// Whether the process rests now.
Result<bool> Execution::take_turn(OpenRun& run, json::object const& turn) {
  DROVER_TRY(take_definitions(run, array_of(turn, "defs")));
  for (auto const& ask : array_of(turn, "asks"))
    if (ask.is_object()) DROVER_TRY(take_ask(run, ask.get_object()));
  DROVER_TRY(take_cancels(run, array_of(turn, "cancels")));
  DROVER_TRY(log_.add(run.folder(), array_of(turn, "logs"), run.now_text()));
  if (auto const* const done = turn.if_contains("done"); done != nullptr && done->is_object())
    done_ = done->get_object();
  auto const* const wanted = turn.if_contains("recall");
  if (wanted == nullptr || !wanted->is_object()) return true;
  auto value = recall(run, wanted->get_object());
  if (!value) return std::unexpected(value.error());
  DROVER_TRY(host_->write(json::object{{"value", *std::move(value)}}));
  return false;
}

Status Execution::take_definitions(OpenRun& run, json::array const& definitions) {
  std::vector<OpenRun::Request> requests;
  for (auto const& each : definitions) {
    auto const& said = each.as_object();
    auto const found = open_.find(number_of(said));
    if (found == open_.end()) continue;
    auto const* const definition = said.if_contains("definition");
    if (definition == nullptr || !definition->is_object()) {
      // It could not be described, which the process knows.
      open_.erase(found);
      continue;
    }
    Ask& ask = found->second;
    ask.definition = *definition;
    OpenRun::Request request;
    request.task = {ask.effect_id, ask.call.task_id,         ask.key,
                    ask.step_id,   definition->get_object(), std::nullopt};
    if (auto const* const inputs = said.if_contains("inputs")) request.task.inputs = *inputs;
    request.labels = labels_of(ask.call.label, definition->get_object());
    request.label = ask.call.label;
    if (request.label.empty() && !request.labels.empty()) request.label = request.labels.front();
    if (request.label.empty())
      request.label = string_or(definition->get_object(), "title", ask.call.task_id);
    request.arguments_hash = ask.call.arguments_hash;
    requests.push_back(std::move(request));
  }
  return run.request(requests);
}

Status Execution::take_cancels(OpenRun& run, json::array const& cancels) {
  for (auto const& each : cancels) {
    auto const& said = each.as_object();
    auto const n = number_of(said);
    auto const found = open_.find(n);
    if (found == open_.end()) continue;
    std::string const effect_id = found->second.effect_id;
    open_.erase(found);
    std::erase(fresh_, n);
    at_once_.erase(n);
    std::erase_if(ready_, [&](auto const& entry) { return entry.second == n; });
    auto const* const effect = run.history().by_id(effect_id);
    if (effect == nullptr || effect->status != EffectStatus::requested) continue;
    auto const cancelled = run.cancel(effect_id, text_of(said, "reason"));
    if (!cancelled) return std::unexpected(cancelled.error());
  }
  return {};
}

Status Execution::take_ask(OpenRun& run, json::object const& said) {
  Ask ask;
  ask.call.kind = kind_of(text_of(said, "kind"));
  ask.call.task_id = text_of(said, "taskId");
  ask.call.label = text_of(said, "label");
  ask.call.key = text_of(said, "key");
  ask.call.shape = text_of(said, "shape");
  ask.call.arguments_hash = text_of(said, "hash");
  if (ask.call.kind == CallKind::signal) ask.signal = text_of(said, "signal");
  if (ask.call.kind != CallKind::sleep) return look_up(run, number_of(said), std::move(ask));
  ask.until_ms = integer_or(said, "until", 0);
  return take_sleep(run, number_of(said), std::move(ask));
}

// A time that has passed is no effect; that it had passed is recorded, for a later replay could be
// on a clock that is behind.
Status Execution::take_sleep(OpenRun& run, std::uint64_t n, Ask ask) {
  std::string const until = std::to_string(*ask.until_ms);
  std::string const key = fmt::format("elapsed:{}.{}", until, sleeps_[until]++);
  History const& history = run.history();
  auto const answer = replay_->peek(history, ask.call);
  bool const over = *ask.until_ms <= to_unix_ms(run.now());
  if (generation_ == Generation::counted) {
    if (!over || replay_->counts_when_elapsed(history, kSleepTask))
      return look_up(run, n, std::move(ask));
    if (answer.effect != nullptr && answer.effect->status == EffectStatus::requested) {
      TaskResult result;
      result.value.emplace(nullptr);
      auto const posted = run.post(answer.effect->id, std::move(result));
      if (!posted) return std::unexpected(posted.error());
    }
  } else if (answer.effect != nullptr) {
    return look_up(run, n, std::move(ask));
  }
  auto const* known = history.recorded(key);
  if (known == nullptr && !over) return look_up(run, n, std::move(ask));
  if (known == nullptr) {
    json::object data{{"key", key}, {"kind", "sleep"}, {"value", true}};
    DROVER_TRY(run.append(NewEvent{event_type::kRecorded, std::move(data)}));
    known = run.history().recorded(key);
  }
  elapsed_.push_back({n, known->recorded_at});
  open_.emplace(n, std::move(ask));
  return {};
}

Status Execution::look_up(OpenRun& run, std::uint64_t n, Ask ask) {
  auto const answer = replay_->call(run.history(), ask.call);
  if (!answer) return locate(answer.error(), n);
  ask.step_id = answer->step_id;
  ask.key = answer->key;
  if (answer->effect == nullptr) {
    ask.effect_id = next_ulid(run.now(), run.random(), last_effect_id_);
    last_effect_id_ = ask.effect_id;
    fresh_.push_back(n);
    open_.emplace(n, std::move(ask));
    return {};
  }
  Effect const& effect = *answer->effect;
  if (effect.arguments_hash.empty()) {
    auto const recorded = recorded_hash(run, effect);
    if (!recorded) return std::unexpected(recorded.error());
    if (*recorded != ask.call.arguments_hash) return locate(contradiction(ask.call, effect), n);
  }
  ask.effect_id = effect.id;
  auto const [placed, _] = open_.emplace(n, std::move(ask));
  return note_ended(run.history(), n, placed->second);
}

// Asks the host where in the process the call was made, while it waits for a reply.
Status Execution::locate(Error error, std::uint64_t n) {
  if (auto const asked = host_->write(json::object{{"where", n}}); asked) {
    auto const reply = hear();
    auto const where = reply ? text_of(*reply, "where") : "";
    if (!where.empty()) error.message += fmt::format(" (asked at {})", printable(where, 300));
  }
  return std::unexpected(std::move(error));
}

// What the journal does not hold is worked out now, and held from now on.
Result<json::value> Execution::recall(OpenRun& run, json::object const& wanted) {
  auto const kind = text_of(wanted, "kind");
  auto const key = text_of(wanted, "key");
  if (kind == "clock") return json::value(to_unix_ms(run.now()));
  if (kind == "blob") return keep_blob(run.folder(), wanted);
  if (auto const* const known = run.history().recorded(key)) return known->value;
  json::value value;
  if (kind == "known") return value;
  if (kind == "now") {
    value = to_unix_ms(run.now());
  } else if (kind == "random") {
    constexpr std::uint64_t kSteps = std::uint64_t{1} << 53U;
    value = static_cast<double>(run.random().below(kSteps)) / static_cast<double>(kSteps);
  } else if (kind == "uuid") {
    value = new_uuid(run.random());
  } else if (kind == "patched") {
    // Code that is where it was before goes on as it was then.
    if (replay_->is_behind()) return json::value(false);
    value = true;
  } else if (auto const* const given = wanted.if_contains("value")) {
    value = *given;
  }
  json::object data{{"key", key}, {"kind", kind}, {"value", value}};
  DROVER_TRY(run.append(NewEvent{event_type::kRecorded, std::move(data)}));
  return value;
}

}  // namespace drover::workflow
