#pragma once
// The durable steps of a run's life. Each is one transaction: the run's row, its events and its
// place in the queue change together or not at all.
#include <string>
#include <vector>

#include "broker/dispatch_queue.h"
#include "broker/stream.h"
#include "contract/event.h"
#include "store/writer.h"
#include "worker/records.h"

namespace drover::worker {

[[nodiscard]] contract::EventHead head_of(RunRecord const& run);
[[nodiscard]] broker::EventDraft draft(contract::EventType type, std::string json);
[[nodiscard]] broker::EventDraft state_event(RunRecord const& run, contract::RunState from);
[[nodiscard]] contract::Usage usage_of(RunRecord const& run);
// The terminal event. Closes the stream.
[[nodiscard]] broker::EventDraft complete_event(RunRecord const& run);

// Appends to the stream of `run`, inside a job of the writer.
[[nodiscard]] Status append_events(store::Transaction& transaction, broker::OutputStreams& streams,
                                   RunRecord const& run,
                                   std::vector<broker::EventDraft> const& drafts);

// Writes the row and, where the state changed from `from`, its event, before `more`.
[[nodiscard]] Status write_run(store::Transaction& transaction, broker::OutputStreams& streams,
                               RunRecord const& run, contract::RunState from,
                               std::vector<broker::EventDraft> more = {});

// The end of a run: row, state event, terminal event. The caller takes it off the queue in the same
// transaction.
[[nodiscard]] Status finish_run(store::Transaction& transaction, broker::OutputStreams& streams,
                                RunRecord const& run, contract::RunState from,
                                std::vector<broker::EventDraft> more = {});

// The end of a run that left the queue by itself: the handler of the queue's on_exit(). One that
// has ended already is left as it is.
[[nodiscard]] Status end_exited_run(store::Transaction& transaction, broker::OutputStreams& streams,
                                    broker::QueueExit const& exit, WallTime now);

}  // namespace drover::worker
