#include "worker/turn_events.h"

#include <chrono>
#include <utility>

namespace drover::worker {

Task<Status> store_unit_batch(WorkerParts const& parts, TurnPtr turn, UnitBatch batch) {
  bool const any = !batch.drafts.empty();
  if (turn->done && any)
    co_return fail(ErrorCode::conflict, "the turn {} has had its done event", turn->run.id);

  contract::RunState const from = turn->run.state;
  RunRecord after = turn->run;
  bool const first = !turn->begun && any;
  if (first) {
    turn->begun = true;
    after.state = contract::RunState::running;
    if (after.phases.start_ms == 0)
      after.phases.start_ms =
          std::chrono::duration_cast<Millis>(parts.clock.boot_now() - turn->claimed_at).count();
    turn->run = after;
  }
  // Without room the unit keeps the batch and tries again: the run waits. What ends it uses the
  // reserve.
  Room const room = batch.done ? Room::of_ends : Room::of_work;
  Step step{.claim = turn->claim, .run = after, .from = from, .events = std::move(batch.drafts)};
  Status stored;
  if (first) {
    stored = co_await parts.control.record(std::move(step), room);
  } else {
    stored = co_await parts.control.append(std::move(step), room);
  }
  if (!stored) {
    if (first) {
      turn->begun = false;  // or the next try would not write that it runs
      turn->run.state = from;
    }
    if (stored.error().code == ErrorCode::conflict) turn->fenced = true;
    turn->changed.notify();
    co_return stored;
  }
  turn->heard_at = std::chrono::steady_clock::now();
  turn->run.phases.tool_ms += batch.tool_ms;
  if (batch.accepted) turn->accepted = true;
  if (batch.done) turn->done = std::move(batch.done);
  turn->changed.notify();
  co_return Status{};
}

}  // namespace drover::worker
