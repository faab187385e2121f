#pragma once
// The options that commands which start a turn share.
#include "cli/grammar/grammar.h"
#include "cli/grammar/values.h"

namespace drover::cli {

void dispatch_options(Grammar& grammar, CLI::App* sub);
// What a run asks of the queue.
void queue_options(Grammar& grammar, CLI::App* sub);
[[nodiscard]] Result<QueueWishes> queue_wishes_of(Raw const& raw);

inline constexpr std::int64_t kTurnsMax = 100'000;
inline constexpr double kBudgetUsdMax = 1e6;
inline constexpr Millis kTimeoutMax = std::chrono::hours{24 * 30};

// What dispatch_options() takes.
template <class Dispatch>
Status read_limits(Raw const& raw, Dispatch& command) {
  auto const turns = number_between<std::int64_t>("--max-turns", raw.max_turns, 1, kTurnsMax);
  if (!turns) return std::unexpected(turns.error());
  auto const budget = number_between<double>("--max-budget-usd", raw.budget, 0, kBudgetUsdMax);
  if (!budget) return std::unexpected(budget.error());
  auto const timeout = duration_of("--timeout", raw.timeout, kTimeoutMax);
  if (!timeout) return std::unexpected(timeout.error());
  command.max_turns = *turns;
  command.max_budget_usd = *budget;
  command.timeout = *timeout;
  command.prompt = raw.prompt;
  command.model = raw.model;
  command.idempotency_key = raw.key;
  command.follow = raw.detach ? Follow::no : Follow::yes;
  command.format = format_of(raw);
  command.show_diff = show_diff_of(raw);
  return {};
}

}  // namespace drover::cli
