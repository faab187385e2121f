#include "workflow/replay.h"

#include <fmt/format.h>

#include "base/text.h"

namespace drover::workflow {

namespace {

std::string shown(Call const& call) {
  return fmt::format("{}{}{}", printable(call.task_id),
                     call.label.empty() ? "" : fmt::format(" '{}'", printable(call.label)),
                     call.where.empty() ? "" : " at " + printable(call.where, 200));
}

}  // namespace

Replay::Replay(History const& history, std::string process_id, Generation generation)
    : history_(history),
      process_id_(std::move(process_id)),
      generation_(generation),
      recorded_effects_(history.effects().size()) {}

std::string Replay::step_id_of(Call const& call) {
  if (generation_ == Generation::counted) return counted_step_id(++counted_);
  if (call.kind == CallKind::breakpoint) {
    std::string const base = "__sdk.breakpoint." + call.key;
    auto const n = repeats_[base]++;
    return n == 0 ? base : fmt::format("{}.{}", base, n);
  }
  if (!call.key.empty()) return call.key;
  std::string base = shaped_step_base(call.task_id, call.label, call.shape);
  auto const n = repeats_[base]++;
  return fmt::format("{}.{}", base, n);
}

Result<Answer> Replay::call(Call const& call) {
  Answer answer;
  answer.step_id = step_id_of(call);
  answer.key = invocation_key(process_id_, answer.step_id, call.task_id);
  answer.effect = history_.by_key(answer.key);
  if (answer.effect == nullptr) return answer;
  if (!used_.insert(answer.effect->id).second)
    return fail_next(ErrorCode::conflict,
                     fmt::format("two steps of the process are both named {}: {}",
                                 printable(answer.step_id), shown(call)),
                     "give each its own key");
  std::string const& recorded = answer.effect->arguments_hash;
  if (!recorded.empty() && recorded != call.arguments_hash)
    return fail_next(
        ErrorCode::conflict,
        fmt::format("the process asks {} with other arguments than it did before: the journal has "
                    "effect {} (entry {}) under {}",
                    shown(call), answer.effect->id, answer.effect->requested_seq,
                    printable(answer.key, 200)),
        fmt::format("compare with tasks/{}/task.json; code that was changed under a run asks "
                    "ctx.patched(id) first",
                    answer.effect->id));
  return answer;
}

bool Replay::counts_when_elapsed(std::string_view task_id) const {
  if (generation_ != Generation::counted) return false;
  std::string const next = counted_step_id(counted_ + 1);
  if (history_.by_key(invocation_key(process_id_, next, task_id)) == nullptr) return false;
  // Another call with the sleep's number: whoever replayed last did not count the sleep.
  for (auto const& effect : history_.effects())
    if (effect.step_id == next && effect.task_id != task_id) return false;
  return history_.last_counted_step() > counted_ + 1;
}

Status Replay::check_all_used() const {
  for (std::size_t i = 0; i < recorded_effects_; ++i) {
    Effect const& effect = history_.effects()[i];
    if (used_.contains(effect.id) || effect.arguments_hash.empty()) continue;
    return fail_next(
        ErrorCode::conflict,
        fmt::format("the process does not ask for {} '{}' any more: the journal has effect {} "
                    "(entry {}) under {}, and this replay asked for {} of {} effects",
                    printable(effect.task_id), printable(effect.label), effect.id,
                    effect.requested_seq, printable(effect.key, 200), used_.size(),
                    recorded_effects_),
        "code that was changed under a run asks ctx.patched(id) first");
  }
  return {};
}

std::vector<Effect const*> Replay::unused() const {
  std::vector<Effect const*> unused;
  for (std::size_t i = 0; i < recorded_effects_; ++i)
    if (!used_.contains(history_.effects()[i].id)) unused.push_back(&history_.effects()[i]);
  return unused;
}

}  // namespace drover::workflow
