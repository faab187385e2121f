#pragma once
// The durable steps of a run's life. Each is one transaction: the run's row, its events and its
// place in the queue change together or not at all.
#include <cstdint>
#include <string>
#include <vector>

#include "broker/dispatch_queue.h"
#include "broker/stream.h"
#include "contract/event.h"
#include "store/writer.h"
#include "worker/records.h"

namespace drover::worker {

// For the phases of a run, which are never negative: 0 where the clock was set back meanwhile.
[[nodiscard]] std::int64_t ms_between(WallTime from, WallTime to);

[[nodiscard]] contract::EventHead head_of(RunRecord const& run);
[[nodiscard]] broker::EventDraft draft(contract::EventType type, std::string json);
[[nodiscard]] broker::EventDraft state_event(RunRecord const& run, contract::RunState from);
[[nodiscard]] contract::Usage usage_of(model::Usage const& used, std::int64_t cost_microdollars);
[[nodiscard]] contract::Usage usage_of(RunRecord const& run);
// The terminal event. Closes the stream.
[[nodiscard]] broker::EventDraft complete_event(RunRecord const& run);

// Appends to the stream of `run`, inside a job of the writer.
[[nodiscard]] Status append_events(store::Transaction& transaction, broker::OutputStreams& streams,
                                   RunRecord const& run,
                                   std::vector<broker::EventDraft> const& drafts);

// What a dispatch makes durable: one that was accepted.
struct NewRun {
  RunRecord run;
  broker::QueueEntry entry;
  SessionRecord session;
  bool new_session = false;
};
struct RecordedRun {
  RunRecord run;
  bool added = true;  // false: its deduplication key lives and has this run; nothing was written
};
// Place in the queue, session, run and first event. Where the run replays a dead letter, that is
// taken, and what it asked of the queue counts. A run of the session that waits for an answer has
// it. Sets the number of a new session.
[[nodiscard]] Result<RecordedRun> record_new_run(store::Transaction& transaction,
                                                 broker::OutputStreams& streams,
                                                 broker::DispatchQueue& queue, NewRun& fresh);

// What a unit says, while its attempt is the newest and the run has not ended; else conflict
// ("fenced"), and nothing is written.
[[nodiscard]] Status append_unit_events(store::Transaction& transaction,
                                        broker::OutputStreams& streams, RunRecord const& run,
                                        std::vector<broker::EventDraft> const& drafts);

// Writes the row and, where the state changed from `from`, its event, before `more`.
[[nodiscard]] Status write_run(store::Transaction& transaction, broker::OutputStreams& streams,
                               RunRecord const& run, contract::RunState from,
                               std::vector<broker::EventDraft> more = {});

// What a model call used and cost, with its event; `reserved_microdollars` is that of the calls
// still under way. Nothing else of the run is written: a call may end when its turn has ended, and
// somebody else has brought the run on. conflict ("fenced") when the attempt is over.
[[nodiscard]] Status record_spend(store::Transaction& transaction, broker::OutputStreams& streams,
                                  RunRecord const& run,
                                  std::vector<broker::EventDraft> const& events);

// The end of a run: row, state event, terminal event. The caller takes it off the queue in the same
// transaction.
[[nodiscard]] Status finish_run(store::Transaction& transaction, broker::OutputStreams& streams,
                                RunRecord const& run, contract::RunState from,
                                std::vector<broker::EventDraft> more = {});

// In the transaction that makes the claim durable: the run is claimed, under the claim's epoch.
[[nodiscard]] Status begin_attempt(store::Transaction& transaction, broker::OutputStreams& streams,
                                   broker::Claim const& claim, WallTime now);

// The end of a claimed run, or that it waits for its user: with it the session changes and the
// claim goes, which leaves a dead letter where the attempts are used up.
[[nodiscard]] Status end_claimed_run(store::Transaction& transaction,
                                     broker::OutputStreams& streams, broker::DispatchQueue& queue,
                                     broker::Claim const& claim, RunRecord const& run,
                                     SessionRecord const& session, contract::RunState from,
                                     std::vector<broker::EventDraft> more, WallTime now);

// What its reason says of the attempt: a server that stops or a full disk is not the run's fault, a
// unit that was lost may be. `random` is any 64 random bits.
[[nodiscard]] std::optional<broker::Failure> failure_of(RunRecord const& run, std::uint64_t random);

// The claimed run is to be tried again: as a failed attempt after the delay that its policy says,
// or without a failure after `delay`.
[[nodiscard]] Status put_back_run(store::Transaction& transaction, broker::OutputStreams& streams,
                                  broker::DispatchQueue& queue, broker::Claim const& claim,
                                  RunRecord const& run, contract::RunState from,
                                  std::vector<broker::EventDraft> const& more,
                                  std::optional<broker::Failure> const& failure, Millis delay);

// Notes that somebody wants the run to end. One that nobody has claimed, or that waits for its
// user, has ended then; whoever has claimed it is to be told.
[[nodiscard]] Result<broker::CancelOutcome> cancel_run(store::Transaction& transaction,
                                                       broker::OutputStreams& streams,
                                                       broker::DispatchQueue& queue,
                                                       RunId const& id, WallTime now);

// The end of a run that left the queue by itself: the handler of the queue's on_exit(). One that
// has ended already is left as it is.
[[nodiscard]] Status end_exited_run(store::Transaction& transaction, broker::OutputStreams& streams,
                                    broker::QueueExit const& exit, WallTime now);

}  // namespace drover::worker
