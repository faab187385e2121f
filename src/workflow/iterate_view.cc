// What iterate prints as JSON, in the shape of the SDK's run:iterate.
#include "base/text.h"
#include "workflow/iterate.h"
#include "workflow/parallel_group.h"

namespace drover::workflow {

namespace {

json::object action_view(NextAction const& action, std::size_t pending, std::string const& group) {
  Effect const& effect = action.effect;
  json::object view;
  view.emplace("effectId", effect.id);
  view.emplace("invocationKey", effect.key);
  view.emplace("kind", effect.kind);
  view.emplace("label", effect.label);
  if (!effect.labels.empty())
    view.emplace("labels", json::array(effect.labels.begin(), effect.labels.end()));
  view.emplace("taskDef", action.definition);
  view.emplace("taskId", effect.task_id);
  view.emplace("stepId", effect.step_id);
  view.emplace("taskDefRef", effect.task_ref);
  if (!effect.inputs_ref.empty()) view.emplace("inputsRef", effect.inputs_ref);
  view.emplace("requestedAt", effect.requested_at);
  json::object hints;
  if (auto const* const definition = action.definition.if_object())
    if (auto const* const sleep = definition->if_contains("sleep");
        sleep != nullptr && sleep->is_object())
      if (auto const* const target = sleep->get_object().if_contains("targetEpochMs"))
        hints.emplace("sleepUntilEpochMs", *target);
  if (!group.empty()) hints.emplace("parallelGroupId", group);
  hints.emplace("pendingCount", pending);
  view.emplace("schedulerHints", std::move(hints));
  return view;
}

}  // namespace

json::object iterated_view(Iterated const& iterated, std::optional<std::int64_t> iteration) {
  constexpr auto const* kNames = "waiting completed failed halted";
  auto const names = split(kNames, ' ');
  json::object view;
  view.emplace("iteration", iteration.value_or(iterated.count + 1));
  view.emplace("iterationCount", iterated.count);
  view.emplace("status", names.at(static_cast<std::size_t>(iterated.state)));
  view.emplace("action", "none");
  view.emplace("reason", iterated.reason);
  bool const waiting = iterated.state == IterateState::waiting;
  if (waiting) {
    std::vector<std::string> keys;
    for (auto const& action : iterated.actions)
      keys.push_back(action.effect.key);
    std::string const group = keys.size() > 1 ? parallel_group_id(keys) : "";
    json::array actions;
    for (auto const& action : iterated.actions)
      actions.push_back(action_view(action, keys.size(), group));
    view.emplace("nextActions", std::move(actions));
  }
  if (!iterated.completion_proof.empty())
    view.emplace("completionProof", iterated.completion_proof);
  if (!iterated.payload.is_null()) view.emplace("payload", iterated.payload);
  if (!iterated.continued_as.empty()) view.emplace("continuedAs", iterated.continued_as);
  if (!iterated.warnings.empty())
    view.emplace("warnings", json::array(iterated.warnings.begin(), iterated.warnings.end()));
  view.emplace("metadata",
               json::object{{"runId", iterated.run_id},
                            {"processId", iterated.process_id},
                            {"hookStatus", waiting ? "no-hooks-configured" : "executed"}});
  return view;
}

}  // namespace drover::workflow
