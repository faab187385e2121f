#include "workflow/replay.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace drover::workflow {

namespace {

std::string shown(Call const& call) {
  return fmt::format("{}{}{}", printable(call.task_id),
                     call.label.empty() ? "" : fmt::format(" '{}'", printable(call.label)),
                     call.where.empty() ? "" : " at " + printable(call.where, 200));
}

}  // namespace

Error contradiction(Call const& call, Effect const& effect) {
  return {
      ErrorCode::conflict,
      fmt::format("the process asks for {} with other arguments than it did before: the journal "
                  "has effect {} (entry {}) under {}",
                  shown(call), effect.id, effect.requested_seq, printable(effect.key, 200)),
      fmt::format("compare with tasks/{}/task.json; code that was changed under a run asks "
                  "ctx.patched(id) first",
                  effect.id)};
}

Replay::Replay(std::string process_id, Generation generation, std::size_t recorded_effects)
    : process_id_(std::move(process_id)),
      generation_(generation),
      recorded_effects_(recorded_effects) {}

Replay::Step Replay::step_of(Call const& call) const {
  if (generation_ == Generation::counted) return {counted_step_id(counted_ + 1), ""};
  auto const count = [&](std::string const& base) -> std::uint64_t {
    auto const found = repeats_.find(base);
    return found == repeats_.end() ? 0 : found->second;
  };
  if (call.kind == CallKind::breakpoint) {
    std::string const base = "__sdk.breakpoint." + call.key;
    auto const n = count(base);
    return {n == 0 ? base : fmt::format("{}.{}", base, n), base};
  }
  if (!call.key.empty()) return {call.key, ""};
  std::string const base = shaped_step_base(call.task_id, call.label, call.shape);
  return {fmt::format("{}.{}", base, count(base)), base};
}

Answer Replay::peek(History const& history, Call const& call) const {
  return find(history, call, step_of(call).id);
}

Answer Replay::find(History const& history, Call const& call, std::string step_id) const {
  Answer answer;
  answer.step_id = std::move(step_id);
  answer.key = invocation_key(process_id_, answer.step_id, call.task_id);
  answer.effect = history.by_key(answer.key);
  return answer;
}

Result<Answer> Replay::call(History const& history, Call const& call) {
  auto step = step_of(call);
  Answer answer = find(history, call, std::move(step.id));
  ++counted_;
  if (!step.base.empty()) ++repeats_[step.base];
  if (answer.effect == nullptr) return answer;
  if (is_used(*answer.effect))
    return fail_next(ErrorCode::conflict,
                     fmt::format("two steps of the process are both named {}: {}",
                                 printable(answer.step_id), shown(call)),
                     "give each its own key");
  auto const place = answer.effect->requested_seq;
  if (place >= used_.size()) used_.resize(std::max(place + 1, used_.size() * 2));
  used_[place] = true;
  ++used_count_;
  std::string const& recorded = answer.effect->arguments_hash;
  if (!recorded.empty() && recorded != call.arguments_hash)
    return std::unexpected(contradiction(call, *answer.effect));
  return answer;
}

bool Replay::counts_when_elapsed(History const& history, std::string_view task_id) const {
  if (generation_ != Generation::counted) return false;
  std::string const next = counted_step_id(counted_ + 1);
  if (history.by_key(invocation_key(process_id_, next, task_id)) == nullptr) return false;
  // Another call with the sleep's number: whoever replayed last did not count the sleep.
  for (auto const& effect : history.effects())
    if (effect.step_id == next && effect.task_id != task_id) return false;
  return history.last_counted_step() > counted_ + 1;
}

Status Replay::check_all_used(History const& history) const {
  for (std::size_t i = 0; i < recorded_effects_; ++i) {
    Effect const& effect = history.effects()[i];
    if (is_used(effect) || effect.arguments_hash.empty()) continue;
    return fail_next(
        ErrorCode::conflict,
        fmt::format("the process does not ask for {} '{}' any more: the journal has effect {} "
                    "(entry {}) under {}, and this replay asked for {} of {} effects",
                    printable(effect.task_id), printable(effect.label), effect.id,
                    effect.requested_seq, printable(effect.key, 200), used_count_,
                    recorded_effects_),
        "code that was changed under a run asks ctx.patched(id) first");
  }
  return {};
}

std::vector<Effect const*> Replay::unused(History const& history) const {
  std::vector<Effect const*> unused;
  for (std::size_t i = 0; i < recorded_effects_; ++i)
    if (!is_used(history.effects()[i])) unused.push_back(&history.effects()[i]);
  return unused;
}

}  // namespace drover::workflow
