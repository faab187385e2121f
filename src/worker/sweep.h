#pragma once
// What the watchdog does to the store: finds what does not fit between runs and queue, and settles
// it. Plain functions on a connection, so that the simulator sweeps as the server does.
#include <vector>

#include "broker/dispatch_queue.h"
#include "broker/stream.h"
#include "store/writer.h"
#include "worker/reconcile.h"

namespace drover::worker {

[[nodiscard]] Result<std::vector<Mismatch>> find_mismatches(store::Database& database);

// Inside a job of the writer. Of what was seen before that which is still so, up to 500, for runs
// end while others look: a stranded run ends as lost, a place that is left over goes. Returns what
// was settled.
[[nodiscard]] Result<std::vector<Mismatch>> settle(store::Transaction& transaction,
                                                   broker::OutputStreams& streams,
                                                   broker::DispatchQueue& queue,
                                                   std::vector<Mismatch> const& seen, WallTime now);

}  // namespace drover::worker
