#include "worker/run_journal.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "worker/outcome.h"
#include "worker/proposals.h"
#include "worker/run_store.h"
#include "worker/waiting.h"

namespace drover::worker {

namespace {

// What a dead entry asked of the queue, for a new run.
broker::QueueEntry renewed(broker::QueueEntry const& dead, broker::QueueEntry const& fresh) {
  broker::QueueEntry entry = fresh;
  entry.task_type = dead.task_type;
  entry.pool = dead.pool;
  entry.labels = dead.labels;
  entry.tenant = dead.tenant;
  entry.priority = dead.priority;
  entry.fifo_groups = dead.fifo_groups;
  entry.keys = dead.keys;
  entry.retry = dead.retry;
  return entry;
}

// Of calls that nobody waits for any more.
void count_reserved(RunRecord& run) {
  run.cost_microdollars += std::exchange(run.reserved_microdollars, 0);
}

}  // namespace

std::int64_t ms_between(WallTime from, WallTime to) {
  return std::max<std::int64_t>(0, std::chrono::duration_cast<Millis>(to - from).count());
}

contract::EventHead head_of(RunRecord const& run) {
  return {run.id, Epoch{run.epoch}, run.id.str()};
}

broker::EventDraft draft(contract::EventType type, std::string json) {
  return {std::string{contract::to_string(type)}, std::move(json)};
}

broker::EventDraft state_event(RunRecord const& run, contract::RunState from) {
  return draft(contract::EventType::state,
               contract::state_draft(head_of(run), from, run.state, run.reason));
}

contract::Usage usage_of(model::Usage const& used, std::int64_t cost_microdollars) {
  contract::Usage usage;
  usage.input = used.input;
  usage.output = used.output;
  usage.cache_read = used.cache_read;
  usage.cache_write = used.cache_write_5m + used.cache_write_1h;
  usage.cost_usd = static_cast<double>(cost_microdollars) / 1e6;
  return usage;
}

contract::Usage usage_of(RunRecord const& run) {
  return usage_of(run.usage, run.cost_microdollars);
}

broker::EventDraft complete_event(RunRecord const& run) {
  DROVER_CHECK(run.reason && contract::is_terminal(run.state));
  contract::TurnComplete end;
  end.state = run.state;
  end.reason = *run.reason;
  end.detail = run.detail;
  end.reply = run.reply;
  end.turns = run.turns;
  for (CommitRecord const& commit : run.commits)
    end.commits.push_back(commit.summary);
  end.usage = usage_of(run);
  end.phases = run.phases;
  broker::EventDraft event =
      draft(contract::EventType::turn_complete, contract::turn_complete_draft(head_of(run), end));
  event.kind = broker::EventDraft::Kind::closing;
  return event;
}

Status append_events(store::Transaction& transaction, broker::OutputStreams& streams,
                     RunRecord const& run, std::vector<broker::EventDraft> const& drafts) {
  auto const stream = broker::StreamName::of_run(run.id);
  auto const numbers = streams.append(transaction, stream, drafts);
  if (!numbers) return std::unexpected(numbers.error());
  return {};
}

Result<RecordedRun> record_new_run(store::Transaction& transaction, broker::OutputStreams& streams,
                                   broker::DispatchQueue& queue, NewRun& fresh) {
  RunRecord const& run = fresh.run;
  broker::QueueEntry entry = fresh.entry;
  if (run.replay_of) {
    auto const letter = queue.take_dead(transaction, *run.replay_of);
    if (!letter) return std::unexpected(letter.error());
    entry = renewed(letter->entry, fresh.entry);
  }
  // First, for of a duplicate nothing is written.
  auto const enqueued = queue.enqueue(transaction, entry);
  if (!enqueued) return std::unexpected(enqueued.error());
  if (!enqueued->added) {
    auto first = find_run(transaction.db(), enqueued->run);
    if (!first) return std::unexpected(first.error());
    return RecordedRun{*std::move(first), false};
  }
  if (fresh.new_session) {
    DROVER_TRY(insert_session(transaction.db(), fresh.session));
  } else {
    DROVER_TRY(require_session(transaction.db(), fresh.session.id));
    DROVER_TRY(update_session(transaction.db(), fresh.session));
    DROVER_TRY(answer_waiting(transaction, streams, run, run.created_at));
  }
  DROVER_TRY(insert_run(transaction.db(), run));
  DROVER_TRY(
      append_events(transaction, streams, run, {state_event(run, contract::RunState::queued)}));
  return RecordedRun{run, true};
}

Status append_unit_events(store::Transaction& transaction, broker::OutputStreams& streams,
                          RunRecord const& run, std::vector<broker::EventDraft> const& drafts) {
  DROVER_TRY(require_attempt(transaction.db(), run));
  return append_events(transaction, streams, run, drafts);
}

Status write_run(store::Transaction& transaction, broker::OutputStreams& streams,
                 RunRecord const& run, contract::RunState from,
                 std::vector<broker::EventDraft> more) {
  DROVER_TRY(update_run(transaction.db(), run, from));
  if (run.state != from) more.insert(more.begin(), state_event(run, from));
  if (more.empty()) return {};
  return append_events(transaction, streams, run, more);
}

Status record_spend(store::Transaction& transaction, broker::OutputStreams& streams,
                    RunRecord const& run, std::vector<broker::EventDraft> const& events) {
  DROVER_TRY(update_spend(transaction.db(), run));
  if (events.empty()) return {};
  return append_events(transaction, streams, run, events);
}

Status finish_run(store::Transaction& transaction, broker::OutputStreams& streams,
                  RunRecord const& run, contract::RunState from,
                  std::vector<broker::EventDraft> more) {
  RunRecord ended = run;
  count_reserved(ended);
  more.push_back(state_event(ended, from));
  more.push_back(complete_event(ended));
  DROVER_TRY(update_run(transaction.db(), ended, from));
  return append_events(transaction, streams, ended, more);
}

Status begin_attempt(store::Transaction& transaction, broker::OutputStreams& streams,
                     broker::Claim const& claim, WallTime now) {
  auto found = find_run(transaction.db(), claim.entry.run);
  if (!found) return std::unexpected(found.error());
  RunRecord run = *std::move(found);
  contract::RunState const from = run.state;
  run.epoch = static_cast<std::int64_t>(claim.epoch);
  run.attempts += 1;
  count_reserved(run);
  if (!run.started_at) {
    run.started_at = now;
    run.phases.queue_ms = ms_between(run.created_at, now);
  }
  // A change that was being governed is governed; there is nothing to work on.
  if (from != contract::RunState::committing) {
    run.state = contract::RunState::claimed;
    run.reason.reset();
    run.detail.clear();
  }
  return write_run(transaction, streams, run, from);
}

Status end_claimed_run(store::Transaction& transaction, broker::OutputStreams& streams,
                       broker::DispatchQueue& queue, broker::Claim const& claim,
                       RunRecord const& run, SessionRecord const& session, contract::RunState from,
                       std::vector<broker::EventDraft> more, WallTime now) {
  bool const waits = run.state == contract::RunState::waiting;
  DROVER_TRY(open_proposal(transaction, run, session, now, more));
  DROVER_TRY(waits ? begin_waiting(transaction, streams, run, from, more, now)
                   : finish_run(transaction, streams, run, from, std::move(more)));
  DROVER_TRY(update_session(transaction.db(), session));
  if (!counts_as_attempt(*run.reason)) return queue.ack(transaction, claim);
  return queue.bury(transaction, claim, broker::DeadReason::attempts, run.detail);
}

std::optional<broker::Failure> failure_of(RunRecord const& run, std::uint64_t random) {
  if (!counts_as_attempt(*run.reason)) return std::nullopt;
  return broker::Failure{run.detail, std::nullopt, random};
}

Status put_back_run(store::Transaction& transaction, broker::OutputStreams& streams,
                    broker::DispatchQueue& queue, broker::Claim const& claim, RunRecord const& run,
                    contract::RunState from, std::vector<broker::EventDraft> const& more,
                    std::optional<broker::Failure> const& failure, Millis delay) {
  DROVER_TRY(write_run(transaction, streams, run, from, more));
  if (!failure) return queue.release(transaction, claim, delay);
  auto const again = queue.retry(transaction, claim, *failure);
  if (!again) return std::unexpected(again.error());
  if (*again) return {};
  return fail(ErrorCode::internal, "the queue has no attempt left for the run {}", run.id);
}

Result<broker::CancelOutcome> cancel_run(store::Transaction& transaction,
                                         broker::OutputStreams& streams,
                                         broker::DispatchQueue& queue, RunId const& id,
                                         WallTime now) {
  DROVER_TRY(request_cancel(transaction.db(), id));
  auto found = find_run(transaction.db(), id);
  if (!found) return std::unexpected(found.error());
  RunRecord run = *std::move(found);
  // An earlier attempt's changes are in the tree: a worker takes them back before the run ends.
  if (run.attempts > 0 && queue.run_now(transaction, id)) return broker::CancelOutcome::claimed;
  auto const outcome = queue.cancel(transaction, id);
  if (!outcome || *outcome == broker::CancelOutcome::claimed) return outcome;
  if (*outcome == broker::CancelOutcome::absent) {
    DROVER_TRY(cancel_waiting(transaction, streams, run, now));
    return outcome;
  }
  contract::RunState const from = run.state;
  run.state = contract::RunState::cancelled;
  run.reason = contract::RunReason::cancelled_by_user;
  run.detail = "cancelled before it started";
  run.finished_at = now;
  run.phases.total_ms = ms_between(run.created_at, now);
  DROVER_TRY(finish_run(transaction, streams, run, from));
  return outcome;
}

Status end_exited_run(store::Transaction& transaction, broker::OutputStreams& streams,
                      broker::QueueExit const& exit, WallTime now) {
  auto found = find_run(transaction.db(), exit.entry.run);
  if (!found) return std::unexpected(found.error());
  RunRecord run = *std::move(found);
  if (contract::is_terminal(run.state)) return {};
  contract::RunState const from = run.state;
  bool const expired = exit.kind == broker::QueueExit::Kind::expired;
  run.reason = expired ? contract::RunReason::queue_timeout : contract::RunReason::lost;
  run.detail = expired ? "no worker took it before its time in the queue was over"
                       : "each of its workers was lost; it is in the dead letters";
  run.state = contract::resting_state(*run.reason);
  run.finished_at = now;
  run.phases.total_ms = ms_between(run.created_at, now);
  std::vector<broker::EventDraft> more;
  if (expired)
    more.push_back(
        draft(contract::EventType::limit, contract::limit_draft(head_of(run), "queue_s")));
  return finish_run(transaction, streams, run, from, std::move(more));
}

}  // namespace drover::worker
