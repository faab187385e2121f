#pragma once
// The rows of the dispatch queue, its dead letters, pauses and deduplication keys: plain functions
// on a connection, inside a job of the Writer.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "broker/dispatch_queue.h"
#include "store/database.h"

namespace drover::broker {

struct QueueRow {
  QueueEntry entry;
  std::int64_t id = 0;  // the order of enqueueing
};

[[nodiscard]] Result<std::vector<QueueRow>> read_queue(store::Database& database);
struct QueuedRun {
  enum class Hold : std::uint8_t { nobody, worker };
  RunId run;
  Hold hold = Hold::nobody;
};
// Of every row, and nothing more; in the order of enqueueing.
[[nodiscard]] Result<std::vector<QueuedRun>> queued_runs(store::Database& database);
// Returns the row's id. conflict when the run has a row.
[[nodiscard]] Result<std::int64_t> insert_entry(store::Database& database, QueueEntry const& entry);

// These change the row only while it is claimed with that epoch, and return whether it was.
[[nodiscard]] Result<bool> delete_claimed(store::Database& database, RunId const& run, Epoch epoch);
[[nodiscard]] Result<bool> put_back(store::Database& database, RunId const& run, Epoch epoch,
                                    WallTime not_before, std::int64_t failed);
// How the entry ended is taken from `letter`, the rest from its row.
[[nodiscard]] Result<bool> bury_claimed(store::Database& database, DeadLetter const& letter);

// False when the row has gone, or is claimed with that epoch or a higher one.
[[nodiscard]] Result<bool> write_claim(store::Database& database, std::int64_t id, Epoch epoch,
                                       WorkerId const& worker);
// The claim's lease ran out. A newer claim keeps its own mark.
[[nodiscard]] Status write_lost_lease(store::Database& database, ExpiredLease const& lease);
// Only while nobody has ever claimed it.
[[nodiscard]] Result<bool> delete_overdue(store::Database& database, RunId const& run);
[[nodiscard]] Result<CancelOutcome> delete_unclaimed(store::Database& database, RunId const& run);
// not_found, or conflict when it is claimed.
[[nodiscard]] Status end_delay(store::Database& database, RunId const& run, WallTime now);
// What a process that is gone had claimed is nobody's.
[[nodiscard]] Status forget_claimers(store::Database& database);

// The run that has the key, which it keeps until `until`; takes it for `run` where nobody does.
[[nodiscard]] Result<RunId> take_dedup_key(store::Database& database, std::string const& key,
                                           RunId const& run, WallTime now, WallTime until);

// The last to die first.
[[nodiscard]] Result<std::vector<DeadLetter>> read_dead_letters(store::Database& database,
                                                                DeadLetterFilter const& filter);
// not_found when there is none of that run.
[[nodiscard]] Result<DeadLetter> take_dead_letter(store::Database& database, RunId const& run);
struct DeadCount {
  std::string pool;
  std::string task_type;
  std::string tenant;
  std::int64_t count = 0;
};
[[nodiscard]] Result<std::vector<DeadCount>> count_dead_letters(store::Database& database);

[[nodiscard]] Status insert_pause(store::Database& database, QueueName const& name);
[[nodiscard]] Status delete_pause(store::Database& database, QueueName const& name);
[[nodiscard]] Result<std::vector<QueueName>> read_pauses(store::Database& database);

}  // namespace drover::broker
