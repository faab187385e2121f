#include "worker/run_terms.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "broker/offer.h"
#include "broker/priority.h"

namespace drover::worker {

namespace {

// The contract's enums are the queue's, in the same order.
static_assert(static_cast<int>(contract::TaskPriority::low) ==
              static_cast<int>(broker::PriorityLevel::low));
static_assert(static_cast<int>(contract::TaskBackoff::list) ==
              static_cast<int>(broker::Backoff::list));
// What the contract lets through, the queue takes.
static_assert(contract::kConcurrencyKeysMax == broker::kKeysMax);
static_assert(contract::kDefaultPool == broker::kDefaultPool);

// What the invocation leaves out, its task type says, and what that leaves out its agent.
contract::Limits with_defaults(contract::Limits limits, contract::TaskType const& type,
                               contract::AgentSpec const& agent) {
  contract::Limits const& usual = type.defaults.limits;
  contract::Limits const& own = agent.limits;
  auto const fill = [](auto& limit, auto const&... others) {
    ((limit = limit ? limit : others), ...);
  };
  fill(limits.queue_s, type.timeouts.queue_s, usual.queue_s, own.queue_s);
  fill(limits.timeout_s, type.timeouts.run_s, usual.timeout_s, own.timeout_s);
  fill(limits.step_s, type.timeouts.step_s, usual.step_s, own.step_s);
  fill(limits.max_turns, usual.max_turns, own.max_turns);
  fill(limits.max_budget_usd, usual.max_budget_usd, own.max_budget_usd);
  fill(limits.idle_s, usual.idle_s, own.idle_s);
  fill(limits.wait_s, usual.wait_s, own.wait_s);
  fill(limits.cpu, usual.cpu, own.cpu);
  fill(limits.memory_mb, usual.memory_mb, own.memory_mb);
  fill(limits.pids, usual.pids, own.pids);
  fill(limits.disk_mb, usual.disk_mb, own.disk_mb);
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

broker::QueueEntry entry_of(contract::TaskType const& type, contract::AgentSpec const& agent,
                            WallTime now) {
  broker::QueueEntry entry;
  entry.task_type = type.name;
  entry.pool = type.pool;
  entry.labels = type.labels;
  // Where both name one, the worker has to have the type's.
  entry.labels.insert(agent.labels.begin(), agent.labels.end());
  if (agent.resident) {
    entry.labels.emplace(kResidentLabel, kResidentsHere);
    // Each of its containers does one thing at a time.
    entry.keys.push_back({fmt::format("resident:{}", agent.name), agent.replicas});
  }
  entry.priority = broker::priority_of(static_cast<broker::PriorityLevel>(type.priority));
  entry.retry = retry_policy_of(type.retry);
  entry.enqueued_at = now;
  entry.not_before = now;
  return entry;
}

// What the invocation itself asks of the queue.
void ask(broker::QueueEntry& entry, contract::Invocation const& invocation, WallTime now) {
  entry.tenant = invocation.tenant.value_or("");
  if (invocation.priority) entry.priority = *invocation.priority;
  if (invocation.fifo_group) entry.fifo_groups.push_back("user:" + *invocation.fifo_group);
  if (invocation.concurrency_key) entry.keys.push_back({*invocation.concurrency_key, 1});
  for (contract::ConcurrencyShare const& share : invocation.concurrency)
    entry.keys.push_back({share.key, share.max});
  if (invocation.dedup) {
    entry.dedup_key = invocation.dedup->key;
    entry.dedup_life = invocation.dedup->life;
  }
  if (invocation.retry) entry.retry = retry_policy_of(*invocation.retry);
  entry.not_before = now + invocation.delay.value_or(std::chrono::seconds{0});
  if (invocation.delay_until) entry.not_before = *invocation.delay_until;
}

}  // namespace

Result<RunTerms> terms_of(contract::TaskType const& type, contract::AgentSpec const& agent,
                          contract::Invocation const& invocation, WallTime now) {
  json::value const* const payload = invocation.payload ? &*invocation.payload : nullptr;
  DROVER_TRY(contract::check_payload(type, payload));
  RunTerms terms;
  std::string const own = std::get<contract::Entrypoint>(invocation.start).prompt();
  terms.prompt = contract::task_prompt(type, own, payload);
  terms.limits = with_defaults(invocation.limits, type, agent);
  terms.entry = entry_of(type, agent, now);
  ask(terms.entry, invocation, now);
  return terms;
}

RunTerms terms_of(contract::TaskType const& type, contract::AgentSpec const& agent,
                  contract::Message message, WallTime now) {
  RunTerms terms;
  terms.prompt = std::move(message.prompt);
  terms.limits = with_defaults(message.limits, type, agent);
  terms.entry = entry_of(type, agent, now);
  return terms;
}

}  // namespace drover::worker
