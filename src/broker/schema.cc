#include "broker/schema.h"

#include <array>

namespace drover::broker {

namespace {

// streams: events `first_seq` to `last_seq` are there; last_seq below first_seq means none.
// stream_events: rows are only ever appended, in the order of time, so that appends stay at the end
// of the table and the oldest rows of all streams are its beginning. No foreign key: it would cost
// every append a look-up, and only trimming deletes.
// dispatch_queue: `id` is the order of enqueueing and never used again; a row leaves when its run
// was acknowledged or cancelled. `fifo_groups` has one group a line. `claimed_by` is null while
// nobody has it.
constexpr std::string_view kVersion1 = R"sql(
CREATE TABLE streams(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  first_seq INTEGER NOT NULL DEFAULT 1,
  last_seq INTEGER NOT NULL DEFAULT 0,
  closed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE stream_events(
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  type TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX stream_events_by_seq ON stream_events(stream, seq);
CREATE TABLE dispatch_queue(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run TEXT NOT NULL UNIQUE,
  task_type TEXT NOT NULL,
  pool TEXT NOT NULL,
  priority INTEGER NOT NULL,
  fifo_groups TEXT NOT NULL,
  concurrency_key TEXT NOT NULL,
  concurrency_max INTEGER NOT NULL,
  not_before_ms INTEGER NOT NULL,
  enqueued_at_ms INTEGER NOT NULL,
  epoch INTEGER NOT NULL DEFAULT 0,
  claimed_by TEXT
) STRICT;
)sql";

// dispatch_queue: `keys` has one concurrency key a line, "<max> <name>"; `retry` is
// print_retry_policy; `expires_ms` counts until the first claim.
// dead_letters: `id` is the order of dying; the columns of the entry are those of its row.
// queue_dedup: a key belongs to its run until `until_ms`, whatever became of the run.
constexpr std::string_view kVersion2 = R"sql(
ALTER TABLE dispatch_queue ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
ALTER TABLE dispatch_queue ADD COLUMN keys TEXT NOT NULL DEFAULT '';
ALTER TABLE dispatch_queue ADD COLUMN expires_ms INTEGER;
ALTER TABLE dispatch_queue ADD COLUMN retry TEXT NOT NULL DEFAULT '3 exponential 1000 900000 full';
ALTER TABLE dispatch_queue ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dispatch_queue ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dispatch_queue ADD COLUMN lost_max INTEGER NOT NULL DEFAULT 5;
UPDATE dispatch_queue SET keys = concurrency_max || ' ' || concurrency_key
 WHERE concurrency_key <> '';
ALTER TABLE dispatch_queue DROP COLUMN concurrency_key;
ALTER TABLE dispatch_queue DROP COLUMN concurrency_max;
CREATE TABLE dead_letters(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run TEXT NOT NULL UNIQUE,
  task_type TEXT NOT NULL,
  pool TEXT NOT NULL,
  tenant TEXT NOT NULL,
  priority INTEGER NOT NULL,
  fifo_groups TEXT NOT NULL,
  keys TEXT NOT NULL,
  not_before_ms INTEGER NOT NULL,
  enqueued_at_ms INTEGER NOT NULL,
  expires_ms INTEGER,
  retry TEXT NOT NULL,
  failed INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  lost_max INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  died_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE queue_dedup(
  key TEXT PRIMARY KEY,
  run TEXT NOT NULL,
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_dedup_by_end ON queue_dedup(until_ms);
CREATE TABLE queue_pauses(
  name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
)sql";

// `labels` is print_labels.
constexpr std::string_view kVersion3 = R"sql(
ALTER TABLE dispatch_queue ADD COLUMN labels TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_letters ADD COLUMN labels TEXT NOT NULL DEFAULT '';
)sql";

constexpr std::array kMigrations{
    store::Migration{"broker", 1, "output streams and the dispatch queue", kVersion1},
    store::Migration{"broker", 2, "tenants, retries, dead letters, pauses", kVersion2},
    store::Migration{"broker", 3, "labels that a run asks for", kVersion3},
};

}  // namespace

std::span<store::Migration const> migrations() {
  return kMigrations;
}

}  // namespace drover::broker
