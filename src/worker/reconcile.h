#pragma once
// What the store says of runs against what the queue says of them. Pure.
#include <cstdint>
#include <vector>

#include "base/id.h"
#include "broker/queue_rows.h"
#include "contract/run.h"

namespace drover::worker {

// A run that has not ended.
struct UnfinishedRun {
  RunId run;
  contract::RunState state = contract::RunState::queued;
};

struct Mismatch {
  enum class Kind : std::uint8_t {
    stranded,   // it has not ended, and nothing in the queue will ever bring it to its end
    left_over,  // a place in the queue of a run that takes none: it ended, or waits for an answer
  };
  Kind kind = Kind::stranded;
  RunId run;
  friend bool operator==(Mismatch const&, Mismatch const&) = default;
};

// Both of one moment; in the order in which they are given. What is claimed is its worker's, or the
// end of its lease will show.
[[nodiscard]] std::vector<Mismatch> reconcile(std::vector<UnfinishedRun> const& unfinished,
                                              std::vector<broker::QueuedRun> const& queued);

}  // namespace drover::worker
