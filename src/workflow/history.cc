#include "workflow/history.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

namespace {

std::string where(Event const& event) {
  return fmt::format("journal entry {} ({})", event.name.seq, event.type);
}

std::string text_or_empty(JsonObject const& data, std::string_view key) {
  return std::string{string_or(data.raw(), key, "")};
}

RunEnd end_of(std::string_view type) {
  using namespace event_type;
  if (type == kRunCompleted) return RunEnd::completed;
  if (type == kRunFailed) return RunEnd::failed;
  if (type == kRunHalted) return RunEnd::halted;
  if (type == kProcessError) return RunEnd::process_error;
  return RunEnd::none;
}

}  // namespace

std::string_view to_string(EffectStatus status) {
  switch (status) {
    case EffectStatus::requested:
      return "requested";
    case EffectStatus::resolved_ok:
      return "resolved_ok";
    case EffectStatus::resolved_error:
      return "resolved_error";
    case EffectStatus::cancelled:
      return "cancelled";
  }
  return "requested";
}

Result<History> History::of(std::vector<Event> const& events) {
  History history;
  // An effect has two entries at least.
  auto const most = events.size() / 2;
  history.by_id_.reserve(most);
  history.by_key_.reserve(most);
  for (auto const& event : events)
    DROVER_TRY(history.apply(event));
  return history;
}

Status History::apply(Event const& event) {
  using namespace event_type;
  if (event.name.seq != head_.seq + 1)
    return fail(ErrorCode::data_corrupt,
                "Journal sequence gap detected at {} (expected {}, got {})", file_name(event.name),
                head_.seq + 1, event.name.seq);
  if (event.name.ulid <= head_.ulid)
    return fail(ErrorCode::data_corrupt, "Journal ULID order regression at {}",
                file_name(event.name));
  if (event.type == kRunCreated) {
    if (created_at_.empty()) created_at_ = event.recorded_at;
  } else if (event.type == kEffectRequested) {
    DROVER_TRY(request(event));
  } else if (event.type == kEffectResolved) {
    DROVER_TRY(resolve(event));
  } else if (event.type == kEffectCancelled) {
    DROVER_TRY(cancel(event));
  } else if (event.type == kEffectBegun) {
    begin(event);
  } else if (event.type == kRecorded) {
    DROVER_TRY(record(event));
  } else if (event.type == kSignal) {
    auto const* const payload = event.data.if_contains("payload");
    signals_.push_back({std::string{string_or(event.data, "name", "")},
                        payload == nullptr ? json::value{} : *payload, event.recorded_at,
                        event.name.seq});
  } else if (event.type == kContinued) {
    end_ = RunEnd::none;
    end_data_.clear();
  } else if (auto const end = end_of(event.type); end != RunEnd::none) {
    end_ = end;
    end_data_ = event.data;
  }
  if (event.type == kRunCreated || event.type == kProcessAssigned) {
    process_.id = string_or(event.data, "processId", process_.id);
    if (auto const* const entry = event.data.if_contains("entrypoint");
        entry != nullptr && entry->is_object())
      process_.entrypoint = entry->get_object();
  }
  head_ = event.name;
  return {};
}

Status History::request(Event const& event) {
  auto const data = JsonObject::of(event.data, "/data");
  Effect effect;
  for (auto const& [key, into] :
       {std::pair{"effectId", &effect.id}, std::pair{"invocationKey", &effect.key},
        std::pair{"stepId", &effect.step_id}, std::pair{"taskId", &effect.task_id},
        std::pair{"taskDefRef", &effect.task_ref}}) {
    auto text = data.string(key);
    if (!text) return fail(ErrorCode::data_corrupt, "{}: {}", where(event), text.error().message);
    *into = *std::move(text);
  }
  // It becomes the name of a folder.
  if (!is_plain_name(effect.id))
    return fail(ErrorCode::data_corrupt, "{}: {} is no id of an effect", where(event),
                printable(effect.id));
  effect.kind = text_or_empty(data, "kind");
  effect.label = text_or_empty(data, "label");
  effect.inputs_ref = text_or_empty(data, "inputsRef");
  effect.arguments_hash = text_or_empty(data, "argumentsHash");
  if (auto const* const labels = data.find("labels"); labels != nullptr && labels->is_array())
    for (auto const& label : labels->get_array())
      if (label.is_string()) effect.labels.emplace_back(label.get_string());
  effect.requested_at = event.recorded_at;
  effect.requested_seq = event.name.seq;
  if (by_id_.contains(effect.id))
    return fail(ErrorCode::data_corrupt, "{}: effect {} was asked for before", where(event),
                printable(effect.id));
  if (by_key_.contains(effect.key))
    return fail(ErrorCode::data_corrupt, "{}: {} was asked for before", where(event),
                printable(effect.key));
  if (auto const counted = parse_counted_step_id(effect.step_id))
    last_counted_step_ = std::max(last_counted_step_, *counted);
  Effect& placed = effects_.emplace_back(std::move(effect));
  by_id_.emplace(placed.id, &placed);
  by_key_.emplace(placed.key, &placed);
  ++pending_;
  return {};
}

Result<Effect*> History::open_effect(Event const& event, JsonObject const& data) {
  auto const id = data.string("effectId");
  if (!id) return fail(ErrorCode::data_corrupt, "{}: {}", where(event), id.error().message);
  auto const found = by_id_.find(*id);
  if (found == by_id_.end())
    return fail(ErrorCode::data_corrupt, "{}: nobody asked for effect {}", where(event),
                printable(*id));
  Effect& effect = *found->second;
  if (effect.status != EffectStatus::requested)
    return fail(ErrorCode::data_corrupt, "{}: effect {} ended before, as {}", where(event),
                printable(*id), to_string(effect.status));
  return &effect;
}

Status History::resolve(Event const& event) {
  auto const data = JsonObject::of(event.data, "/data");
  auto const effect = open_effect(event, data);
  if (!effect) return std::unexpected(effect.error());
  Effect& it = **effect;
  it.status = string_or(event.data, "status", "") == "ok" ? EffectStatus::resolved_ok
                                                          : EffectStatus::resolved_error;
  it.result_ref = text_or_empty(data, "resultRef");
  it.stdout_ref = text_or_empty(data, "stdoutRef");
  it.stderr_ref = text_or_empty(data, "stderrRef");
  if (auto const* const error = data.find("error")) it.error = *error;
  if (auto const seq = integer_or(event.data, "signalSeq", 0); seq > 0)
    taken_.insert(static_cast<std::uint64_t>(seq));
  it.resolved_at = event.recorded_at;
  it.resolved_seq = event.name.seq;
  --pending_;
  return {};
}

Status History::cancel(Event const& event) {
  auto const data = JsonObject::of(event.data, "/data");
  auto const effect = open_effect(event, data);
  if (!effect) return std::unexpected(effect.error());
  Effect& it = **effect;
  it.status = EffectStatus::cancelled;
  it.reason = text_or_empty(data, "reason");
  it.resolved_at = event.recorded_at;
  it.resolved_seq = event.name.seq;
  --pending_;
  return {};
}

// A mark, and no more: one of an effect that a repair dropped contradicts nothing.
void History::begin(Event const& event) {
  auto const found = by_id_.find(string_or(event.data, "effectId", ""));
  if (found != by_id_.end()) ++found->second->begun;
}

Status History::record(Event const& event) {
  auto const* const key = event.data.if_contains("key");
  auto const* const value = event.data.if_contains("value");
  if (key == nullptr || !key->is_string())
    return fail(ErrorCode::data_corrupt, "{}: it has no key", where(event));
  std::string const name{key->get_string()};
  RecordedValue recorded{value == nullptr ? json::value{} : *value, event.recorded_at};
  if (!recorded_.emplace(name, std::move(recorded)).second)
    return fail(ErrorCode::data_corrupt, "{}: {} was recorded before", where(event),
                printable(name));
  return {};
}

Effect const* History::by_key(std::string_view key) const {
  auto const found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second;
}

Effect const* History::by_id(std::string_view id) const {
  auto const found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

RecordedValue const* History::recorded(std::string_view key) const {
  auto const found = recorded_.find(std::string{key});
  return found == recorded_.end() ? nullptr : &found->second;
}

std::vector<std::pair<std::string, std::size_t>> History::pending_by_kind() const {
  std::vector<std::pair<std::string, std::size_t>> counts;
  for (auto const& effect : effects_) {
    if (effect.status != EffectStatus::requested) continue;
    auto const found =
        std::ranges::find(counts, effect.kind, &std::pair<std::string, std::size_t>::first);
    if (found == counts.end())
      counts.emplace_back(effect.kind, 1);
    else
      ++found->second;
  }
  return counts;
}

std::optional<Generation> History::generation() const {
  if (effects_.empty()) return std::nullopt;
  return parse_counted_step_id(effects_.front().step_id) ? Generation::counted : Generation::shaped;
}

}  // namespace drover::workflow
