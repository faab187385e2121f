#include "worker/run_terms.h"

#include <utility>
#include <variant>

#include "broker/priority.h"

namespace drover::worker {

namespace {

// The contract's enums are the queue's, in the same order.
static_assert(static_cast<int>(contract::TaskPriority::low) ==
              static_cast<int>(broker::PriorityLevel::low));
static_assert(static_cast<int>(contract::TaskBackoff::list) ==
              static_cast<int>(broker::Backoff::list));

// What the invocation leaves out, its task type says.
contract::Limits with_defaults(contract::Limits limits, contract::TaskType const& type) {
  contract::Limits const& usual = type.defaults.limits;
  auto const fill = [](auto& limit, auto const&... others) {
    ((limit = limit ? limit : others), ...);
  };
  fill(limits.queue_s, type.timeouts.queue_s, usual.queue_s);
  fill(limits.timeout_s, type.timeouts.run_s, usual.timeout_s);
  fill(limits.step_s, type.timeouts.step_s, usual.step_s);
  fill(limits.max_turns, usual.max_turns);
  fill(limits.max_budget_usd, usual.max_budget_usd);
  fill(limits.idle_s, usual.idle_s);
  fill(limits.cpu, usual.cpu);
  fill(limits.memory_mb, usual.memory_mb);
  fill(limits.pids, usual.pids);
  fill(limits.disk_mb, usual.disk_mb);
  return limits;
}

broker::RetryPolicy retry_policy_of(contract::TaskRetry const& retry) {
  broker::RetryPolicy policy;
  policy.attempts_max = retry.attempts_max;
  policy.backoff = static_cast<broker::Backoff>(retry.backoff);
  policy.delay = retry.delay;
  policy.delay_max = retry.delay_max;
  policy.delays = retry.delays;
  policy.jitter = retry.full_jitter ? broker::Jitter::full : broker::Jitter::none;
  return policy;
}

broker::QueueEntry entry_of(contract::TaskType const& type, WallTime now) {
  broker::QueueEntry entry;
  entry.task_type = type.name;
  entry.pool = type.pool;
  entry.priority = broker::priority_of(static_cast<broker::PriorityLevel>(type.priority));
  entry.retry = retry_policy_of(type.retry);
  entry.enqueued_at = now;
  entry.not_before = now;
  return entry;
}

}  // namespace

Result<RunTerms> terms_of(contract::TaskType const& type, contract::Invocation const& invocation,
                          WallTime now) {
  json::value const* const payload = invocation.payload ? &*invocation.payload : nullptr;
  DROVER_TRY(contract::check_payload(type, payload));
  RunTerms terms;
  std::string const own = std::get<contract::Entrypoint>(invocation.start).prompt();
  terms.prompt = contract::task_prompt(type, own, payload);
  terms.limits = with_defaults(invocation.limits, type);
  terms.entry = entry_of(type, now);
  if (invocation.priority != 0) terms.entry.priority = invocation.priority;
  if (invocation.fifo_group) terms.entry.fifo_groups.push_back("user:" + *invocation.fifo_group);
  if (invocation.concurrency_key) terms.entry.keys.push_back({*invocation.concurrency_key, 1});
  terms.entry.not_before = invocation.delay_until.value_or(now);
  return terms;
}

RunTerms terms_of(contract::TaskType const& type, contract::Message message, WallTime now) {
  RunTerms terms;
  terms.prompt = std::move(message.prompt);
  terms.limits = with_defaults(message.limits, type);
  terms.entry = entry_of(type, now);
  return terms;
}

}  // namespace drover::worker
