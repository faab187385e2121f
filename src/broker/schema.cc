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

constexpr std::array kMigrations{
    store::Migration{"broker", 1, "output streams and the dispatch queue", kVersion1},
};

}  // namespace

std::span<store::Migration const> migrations() {
  return kMigrations;
}

}  // namespace drover::broker
