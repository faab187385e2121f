#include "worker/reconcile.h"

#include <unordered_set>

namespace drover::worker {

std::vector<Mismatch> reconcile(std::vector<UnfinishedRun> const& unfinished,
                                std::vector<broker::QueuedRun> const& queued) {
  std::unordered_set<RunId> in_queue;
  for (broker::QueuedRun const& entry : queued)
    in_queue.insert(entry.run);
  std::vector<Mismatch> found;
  std::unordered_set<RunId> in_need;
  for (UnfinishedRun const& one : unfinished) {
    // It is a person's turn, and has a deadline of its own.
    if (one.state == contract::RunState::waiting) continue;
    in_need.insert(one.run);
    if (!in_queue.contains(one.run)) found.push_back({Mismatch::Kind::stranded, one.run});
  }
  for (broker::QueuedRun const& entry : queued)
    if (entry.hold == broker::QueuedRun::Hold::nobody && !in_need.contains(entry.run))
      found.push_back({Mismatch::Kind::left_over, entry.run});
  return found;
}

}  // namespace drover::worker
