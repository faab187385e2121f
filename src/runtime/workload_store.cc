#include "runtime/workload_store.h"

#include <boost/json.hpp>

#include "base/json.h"

namespace drover::runtime {

namespace {

constexpr std::string_view kTables = R"sql(
CREATE TABLE workloads(
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  spec TEXT NOT NULL,
  profile TEXT NOT NULL,
  status TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE workload_callbacks(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  workload TEXT NOT NULL,
  url TEXT NOT NULL,
  body TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL
) STRICT;
CREATE INDEX workload_callbacks_by_workload ON workload_callbacks(workload, number)
)sql";

Error corrupt(std::string_view id, Error const& error) {
  return {ErrorCode::data_corrupt,
          fmt::format("the stored workload {} cannot be read: {}", id, error.message),
          {}};
}

Status add_callback(store::Database& database, WorkloadRow const& row, WallTime now) {
  if (!row.spec.callback_url) return {};
  contract::RuntimeEvent event;
  event.workload_id = row.spec.workload_id;
  event.state = row.status.state;
  event.at = now;
  event.exit_code = row.status.exit_code;
  event.stop_reason = row.status.stop_reason;
  return database.run(
      "INSERT INTO workload_callbacks(workload, url, body, attempts, created_at, due_at)"
      " VALUES(?1,?2,?3,0,?4,?4)",
      row.spec.workload_id, *row.spec.callback_url, json::serialize(to_json(event)),
      to_unix_ms(now));
}

}  // namespace

std::vector<store::Migration> workload_migrations() {
  return {{"workloads", 1, "workloads of the API", kTables}};
}

Result<std::vector<WorkloadRow>> load_workloads(store::Database& database) {
  auto rows =
      database.query("SELECT id, name, owner, spec, profile, status, detail FROM workloads");
  if (!rows) return std::unexpected(rows.error());
  std::vector<WorkloadRow> all;
  for (;;) {
    auto const there = rows->step();
    if (!there) return std::unexpected(there.error());
    if (!*there) return all;
    std::string const id{rows->text(0)};
    auto spec = contract::parse_workload_spec(rows->text(3));
    if (!spec) return std::unexpected(corrupt(id, spec.error()));
    auto const profile_text = parse_json(rows->text(4));
    if (!profile_text) return std::unexpected(corrupt(id, profile_text.error()));
    auto profile = parse_profile(spec->profile, *profile_text);
    if (!profile) return std::unexpected(corrupt(id, profile.error()));
    auto status = contract::parse_workload_status(rows->text(5));
    if (!status) return std::unexpected(corrupt(id, status.error()));
    all.push_back({.spec = *std::move(spec),
                   .name = WorkloadId::trusted(std::string{rows->text(1)}),
                   .profile = *std::move(profile),
                   .owner = std::string{rows->text(2)},
                   .status = *std::move(status),
                   .detail = std::string{rows->text(6)}});
  }
}

Status put_workload(store::Database& database, WorkloadRow const& row, WallTime now) {
  DROVER_TRY(database.run(
      "INSERT OR REPLACE INTO workloads(id, name, owner, spec, profile, status, detail)"
      " VALUES(?1,?2,?3,?4,?5,?6,?7)",
      row.spec.workload_id, row.name.str(), row.owner, json::serialize(to_json(row.spec)),
      json::serialize(to_json(row.profile)), json::serialize(to_json(row.status)), row.detail));
  return add_callback(database, row, now);
}

Status remove_workload(store::Database& database, WorkloadRow const& row, WallTime now) {
  DROVER_TRY(database.run("DELETE FROM workloads WHERE name=?1", row.name.str()));
  return add_callback(database, row, now);
}

Status forget_workload(store::Database& database, std::string const& id) {
  return database.run("DELETE FROM workloads WHERE id=?1", id);
}

Result<std::vector<CallbackRow>> next_callbacks(store::Database& database) {
  auto rows = database.query(
      "SELECT number, workload, url, body, attempts, created_at, due_at FROM workload_callbacks"
      " WHERE number IN (SELECT min(number) FROM workload_callbacks GROUP BY workload)");
  if (!rows) return std::unexpected(rows.error());
  std::vector<CallbackRow> all;
  for (;;) {
    auto const there = rows->step();
    if (!there) return std::unexpected(there.error());
    if (!*there) return all;
    all.push_back({.number = rows->integer(0),
                   .workload = std::string{rows->text(1)},
                   .url = std::string{rows->text(2)},
                   .body = std::string{rows->text(3)},
                   .attempts = static_cast<int>(rows->integer(4)),
                   .created = from_unix_ms(rows->integer(5)),
                   .due = from_unix_ms(rows->integer(6))});
  }
}

Status remove_callback(store::Database& database, std::int64_t number) {
  return database.run("DELETE FROM workload_callbacks WHERE number=?1", number);
}

Status delay_callback(store::Database& database, std::int64_t number, int attempts, WallTime due) {
  return database.run("UPDATE workload_callbacks SET attempts=?2, due_at=?3 WHERE number=?1",
                      number, attempts, to_unix_ms(due));
}

}  // namespace drover::runtime
