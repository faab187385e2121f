#include "workflow/state_cache.h"

namespace drover::workflow {

namespace {

constexpr std::string_view kSchema = "2026.01.state-cache";

json::object entry_of(Effect const& effect) {
  json::object entry;
  entry.emplace("effectId", effect.id);
  entry.emplace("invocationKey", effect.key);
  entry.emplace("status", to_string(effect.status));
  entry.emplace("kind", effect.kind);
  entry.emplace("label", effect.label);
  entry.emplace("taskId", effect.task_id);
  entry.emplace("stepId", effect.step_id);
  entry.emplace("requestedAt", effect.requested_at);
  if (!effect.resolved_at.empty()) entry.emplace("resolvedAt", effect.resolved_at);
  return entry;
}

}  // namespace

json::value state_of(History const& history, Writer writer, std::string_view saved_at,
                     std::string_view reason) {
  json::object state;
  state.emplace("schemaVersion", kSchema);
  state.emplace("savedAt", saved_at);
  if (writer == Writer::current) state.emplace("sdkVersion", kFormatVersion);
  json::value head;
  if (history.head().seq != 0)
    head = json::object{{"seq", history.head().seq}, {"ulid", history.head().ulid}};
  state.emplace("journalHead", std::move(head));
  state.emplace("stateVersion", history.head().seq);
  json::object effects;
  effects.reserve(history.effects().size());
  for (auto const& effect : history.effects())
    effects.emplace(effect.key, entry_of(effect));
  state.emplace("effectsByInvocation", std::move(effects));
  json::object pending;
  for (auto const& [kind, count] : history.pending_by_kind())
    pending.emplace(kind, count);
  state.emplace("pendingEffectsByKind", std::move(pending));
  state.emplace("rebuildReason", reason);
  return state;
}

std::optional<StoredState> read_state(RunFolder const& run) {
  auto value = run.read_json(run.state_file());
  if (!value || !*value || !(*value)->is_object()) return std::nullopt;
  StoredState state;
  auto const& object = (*value)->get_object();
  state.version = integer_or(object, "stateVersion", 0);
  state.reason = string_or(object, "rebuildReason", "");
  if (auto const* const head = object.if_contains("journalHead");
      head != nullptr && head->is_object()) {
    state.head.seq = static_cast<std::uint64_t>(integer_or(head->get_object(), "seq", 0));
    state.head.ulid = string_or(head->get_object(), "ulid", "");
  }
  state.whole = **std::move(value);
  return state;
}

}  // namespace drover::workflow
