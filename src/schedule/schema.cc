#include "schedule/schema.h"

#include <array>

namespace drover::schedule {

namespace {

// schedules: `due_ms` is null while nothing is armed, so that the index of what is due holds only
// what can become due. A key belongs to a schedule until that is cancelled.
// firings: `key` makes a firing unique within its schedule; a row is written in the transaction
// that arms the next one. schedule_events keeps bodies for firings that have not ended, and ids for
// as long as repetitions are recognised. hook_deliveries: what names a delivery, see webhook.h.
constexpr std::string_view kVersion1 = R"sql(
CREATE TABLE schedules(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  job TEXT NOT NULL,
  digest TEXT NOT NULL,
  version INTEGER NOT NULL,
  idempotency_key TEXT,
  event_type TEXT,
  paused INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  next_ms INTEGER,
  due_ms INTEGER,
  last_ms INTEGER,
  fired INTEGER NOT NULL,
  poisoned INTEGER NOT NULL,
  detail TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX schedules_due ON schedules(due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX schedules_by_event ON schedules(event_type, number)
  WHERE event_type IS NOT NULL AND paused=0 AND cancelled=0;
CREATE UNIQUE INDEX schedules_by_key ON schedules(idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE TABLE firings(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  schedule INTEGER NOT NULL,
  key TEXT NOT NULL,
  nominal_ms INTEGER NOT NULL,
  cause TEXT NOT NULL,
  event INTEGER,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  missed INTEGER NOT NULL,
  cancel_requested INTEGER NOT NULL,
  not_before_ms INTEGER NOT NULL,
  run TEXT,
  http_status INTEGER NOT NULL,
  reason TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER,
  finished_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX firings_by_key ON firings(schedule, key);
CREATE INDEX firings_by_schedule ON firings(schedule, id);
CREATE INDEX firings_open ON firings(schedule, id) WHERE finished_ms IS NULL;
CREATE INDEX firings_ready ON firings(not_before_ms, id) WHERE state='pending';
CREATE INDEX firings_running ON firings(id) WHERE state='running';
CREATE INDEX firings_to_cancel ON firings(id) WHERE state='running' AND cancel_requested=1;
CREATE INDEX firings_finished ON firings(finished_ms) WHERE finished_ms IS NOT NULL;
CREATE INDEX firings_of_event ON firings(event) WHERE event IS NOT NULL AND finished_ms IS NULL;
CREATE TABLE schedule_events(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source TEXT NOT NULL,
  event_id TEXT,
  body TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX schedule_events_by_id ON schedule_events(source, event_id)
  WHERE event_id IS NOT NULL;
CREATE INDEX schedule_events_by_time ON schedule_events(at_ms);
CREATE TABLE hooks(
  name TEXT PRIMARY KEY,
  hook TEXT NOT NULL,
  secret TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE hook_deliveries(
  hook TEXT NOT NULL,
  mark TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY(hook, mark)
) STRICT, WITHOUT ROWID;
CREATE INDEX hook_deliveries_by_time ON hook_deliveries(at_ms);
)sql";

constexpr std::array kMigrations{
    store::Migration{"schedule", 1, "schedules, firings, events and hooks", kVersion1},
};

}  // namespace

std::span<store::Migration const> migrations() {
  return kMigrations;
}

}  // namespace drover::schedule
