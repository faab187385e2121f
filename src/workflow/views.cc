#include "workflow/views.h"

#include <fmt/format.h>

#include <algorithm>

namespace drover::workflow {

namespace {

json::value text_or_null(std::string const& text) {
  if (text.empty()) return nullptr;
  return json::value(text);
}

json::object counts(History const& history) {
  json::object by_kind;
  for (auto const& [kind, count] : history.pending_by_kind())
    by_kind.emplace(kind, count);
  return by_kind;
}

json::object head_view(EventName const& head) {
  return json::object{{"seq", head.seq}, {"ulid", head.ulid}};
}

json::value reason_of(History const& history) {
  if (history.end() == RunEnd::process_error) return "process_runtime_error";
  if (history.end() != RunEnd::halted) return nullptr;
  return text_or_null(std::string{string_or(history.end_data(), "reason", "")});
}

json::value payload_of(History const& history) {
  auto const* const payload = history.end_data().if_contains("payload");
  if (history.end() != RunEnd::halted || payload == nullptr) return nullptr;
  return *payload;
}

}  // namespace

std::string_view to_string(StatusState state) {
  switch (state) {
    case StatusState::created:
      return "created";
    case StatusState::waiting:
      return "waiting";
    case StatusState::completed:
      return "completed";
    case StatusState::halted:
      return "halted";
    case StatusState::failed:
      return "failed";
  }
  return "created";
}

StatusState status_state(History const& history) {
  switch (history.end()) {
    case RunEnd::completed:
      return StatusState::completed;
    case RunEnd::halted:
      return StatusState::halted;
    case RunEnd::failed:
    case RunEnd::process_error:
      return StatusState::failed;
    case RunEnd::none:
      break;
  }
  return history.pending() > 0 ? StatusState::waiting : StatusState::created;
}

json::object run_view(RunFolder const& folder, Result<RunView> const& run) {
  json::object view;
  view.emplace("runId", run ? run->record.run_id : folder.name());
  view.emplace("runDir", folder.path());
  view.emplace("state", run ? to_string(status_state(run->history)) : "damaged");
  if (!run) {
    view.emplace("problem", run.error().message);
    return view;
  }
  view.emplace("processId", run->record.process_id);
  view.emplace("createdAt", string_or(run->record.raw, "createdAt", run->history.created_at()));
  view.emplace("entries", run->history.head().seq);
  view.emplace("lastEntryAt", run->journal.events.empty()
                                  ? json::value{}
                                  : json::value(run->journal.events.back().recorded_at));
  view.emplace("pendingByKind", counts(run->history));
  return view;
}

json::object event_view(Event const& event) {
  json::object view;
  std::string const file = file_name(event.name);
  view.emplace("seq", event.name.seq);
  view.emplace("ulid", event.name.ulid);
  view.emplace("type", event.type);
  view.emplace("recordedAt", event.recorded_at);
  view.emplace("filename", file);
  view.emplace("path", "journal/" + file);
  view.emplace("data", event.data);
  return view;
}

json::value metadata_view(std::optional<StoredState> const& state) {
  if (!state) return nullptr;
  json::object view;
  json::object pending;
  if (auto const* const stored = state->whole.get_object().if_contains("pendingEffectsByKind");
      stored != nullptr && stored->is_object())
    pending = stored->get_object();
  view.emplace("pendingEffectsByKind", std::move(pending));
  view.emplace("stateVersion", state->version);
  json::value head;
  if (state->head.seq != 0) head = head_view(state->head);
  view.emplace("journalHead", std::move(head));
  view.emplace("stateRebuilt", !state->reason.empty());
  view.emplace("stateRebuildReason", text_or_null(state->reason));
  return view;
}

json::object status_view(RunView const& run, std::optional<StoredState> const& state) {
  History const& history = run.history;
  auto const now = status_state(history);
  bool const older = run.record.writer == Writer::older;
  auto const by_kind = counts(history);
  json::object view;
  view.emplace("state", to_string(now));
  if (!older) {
    view.emplace("reason", reason_of(history));
    view.emplace("payload", payload_of(history));
  }
  json::value last;
  if (!run.journal.events.empty()) last = event_view(run.journal.events.back());
  view.emplace("lastEvent", std::move(last));
  view.emplace("pendingByKind", by_kind);
  auto const* const of_node = by_kind.if_contains("node");
  std::uint64_t const node = of_node == nullptr ? 0 : of_node->to_number<std::uint64_t>();
  view.emplace("pendingEffectsSummary", json::object{{"totalPending", history.pending()},
                                                     {"countsByKind", by_kind},
                                                     {"autoRunnableCount", node}});
  view.emplace("needsMoreIterations", node > 0);
  // The counts are the journal's, whatever the cache says.
  json::object metadata;
  if (auto stored = metadata_view(state); stored.is_object()) metadata = stored.get_object();
  metadata["pendingEffectsByKind"] = by_kind;
  view.emplace("metadata", std::move(metadata));
  json::value proof;
  if (now == StatusState::completed) proof = run.record.completion_proof();
  view.emplace("completionProof", std::move(proof));
  return view;
}

json::object events_view(RunView const& run, std::optional<StoredState> const& state,
                         EventsQuery const& query) {
  std::vector<Event const*> chosen;
  for (auto const& event : run.journal.events)
    if (query.type.empty() || event.type == query.type) chosen.push_back(&event);
  if (query.reverse) std::ranges::reverse(chosen);
  if (query.limit && chosen.size() > *query.limit) chosen.resize(*query.limit);
  json::array events;
  events.reserve(chosen.size());
  for (auto const* const event : chosen)
    events.push_back(event_view(*event));
  json::object view;
  view.emplace("events", std::move(events));
  view.emplace("metadata", metadata_view(state));
  return view;
}

json::object task_view(Effect const& effect) {
  json::object view;
  view.emplace("effectId", effect.id);
  view.emplace("taskId", effect.task_id);
  view.emplace("stepId", effect.step_id);
  view.emplace("status", to_string(effect.status));
  view.emplace("kind", effect.kind);
  view.emplace("label", effect.label);
  if (!effect.labels.empty())
    view.emplace("labels", json::array(effect.labels.begin(), effect.labels.end()));
  view.emplace("taskDefRef", text_or_null(effect.task_ref));
  view.emplace("inputsRef", text_or_null(effect.inputs_ref));
  view.emplace("resultRef", text_or_null(effect.result_ref));
  view.emplace("stdoutRef", text_or_null(effect.stdout_ref));
  view.emplace("stderrRef", text_or_null(effect.stderr_ref));
  view.emplace("requestedAt", effect.requested_at);
  if (!effect.resolved_at.empty()) view.emplace("resolvedAt", effect.resolved_at);
  return view;
}

json::object tasks_view(History const& history, TasksQuery const& query) {
  std::vector<Effect const*> chosen;
  for (auto const& effect : history.effects()) {
    if (query.pending && effect.status != EffectStatus::requested) continue;
    if (query.kind.empty() || effect.kind == query.kind) chosen.push_back(&effect);
  }
  std::ranges::sort(chosen, {}, &Effect::id);
  json::array tasks;
  for (auto const* const effect : chosen)
    tasks.push_back(task_view(*effect));
  return json::object{{"tasks", std::move(tasks)}};
}

json::object rebuilt_view(std::string_view run_folder, History const& history,
                          std::string_view reason) {
  json::object metadata;
  metadata.emplace("pendingEffectsByKind", counts(history));
  metadata.emplace("stateVersion", history.head().seq);
  json::value head;
  if (history.head().seq != 0) head = head_view(history.head());
  metadata.emplace("journalHead", std::move(head));
  metadata.emplace("stateRebuilt", true);
  metadata.emplace("stateRebuildReason", reason);
  return json::object{{"runDir", run_folder}, {"metadata", std::move(metadata)}};
}

}  // namespace drover::workflow
