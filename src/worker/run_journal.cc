#include "worker/run_journal.h"

#include <utility>

#include "base/check.h"
#include "worker/run_store.h"

namespace drover::worker {

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

contract::Usage usage_of(RunRecord const& run) {
  contract::Usage usage;
  usage.input = run.usage.input;
  usage.output = run.usage.output;
  usage.cache_read = run.usage.cache_read;
  usage.cache_write = run.usage.cache_write_5m + run.usage.cache_write_1h;
  usage.cost_usd = static_cast<double>(run.cost_microdollars) / 1e6;
  return usage;
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

Status write_run(store::Transaction& transaction, broker::OutputStreams& streams,
                 RunRecord const& run, contract::RunState from,
                 std::vector<broker::EventDraft> more) {
  DROVER_TRY(update_run(transaction.db(), run));
  if (run.state != from) more.insert(more.begin(), state_event(run, from));
  if (more.empty()) return {};
  return append_events(transaction, streams, run, more);
}

Status finish_run(store::Transaction& transaction, broker::OutputStreams& streams,
                  RunRecord const& run, contract::RunState from,
                  std::vector<broker::EventDraft> more) {
  more.push_back(state_event(run, from));
  more.push_back(complete_event(run));
  DROVER_TRY(update_run(transaction.db(), run));
  return append_events(transaction, streams, run, more);
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
  run.phases.total_ms = std::chrono::duration_cast<Millis>(now - run.created_at).count();
  std::vector<broker::EventDraft> more;
  if (expired)
    more.push_back(
        draft(contract::EventType::limit, contract::limit_draft(head_of(run), "queue_s")));
  return finish_run(transaction, streams, run, from, std::move(more));
}

}  // namespace drover::worker
