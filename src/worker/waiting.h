#pragma once
// Runs that have asked their user. Such a run is out of the queue, its turn is committed, and it
// holds no process but a unit that is still warm. It ends with the session's next message, when it
// is cancelled, or at `answer_by`.
#include <chrono>

#include "broker/stream.h"
#include "store/writer.h"
#include "worker/records.h"

namespace drover::worker {

// How long the answer may take where the run's limits do not say.
inline constexpr std::chrono::days kAnswerWithin{7};

// When a run that asks at `now` waits no longer.
[[nodiscard]] WallTime answer_by(RunRecord const& run, WallTime now);

// ---- inside a job of the writer

// `run` is in the state waiting. A message that is queued in its session already is the answer.
[[nodiscard]] Status begin_waiting(store::Transaction& transaction, broker::OutputStreams& streams,
                                   RunRecord const& run, contract::RunState from,
                                   std::vector<broker::EventDraft> const& events, WallTime now);
// The message that became the run `answer` ends the session's run that waits for it.
[[nodiscard]] Status answer_waiting(store::Transaction& transaction, broker::OutputStreams& streams,
                                    RunRecord const& answer, WallTime now);
// The user wants no answer given. A run that does not wait is left as it is.
[[nodiscard]] Status cancel_waiting(store::Transaction& transaction, broker::OutputStreams& streams,
                                    RunRecord const& run, WallTime now);
// Ends those that nobody has answered in time. Returns how many.
[[nodiscard]] Result<std::size_t> expire_waiting(store::Transaction& transaction,
                                                 broker::OutputStreams& streams, WallTime now);

}  // namespace drover::worker
