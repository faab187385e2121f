#include "schedule/tables.h"

#include <fmt/format.h>

#include <utility>

#include <boost/json.hpp>

namespace drover::schedule {

namespace {

constexpr std::string_view kScheduleColumns =
    "number, id, job, digest, paused, cancelled, next_ms, due_ms, last_ms, fired, poisoned, detail,"
    " created_ms, updated_ms, version";
constexpr std::string_view kFiringColumns =
    "id, schedule, key, nominal_ms, cause, event, state, attempts, crashes, missed,"
    " cancel_requested, not_before_ms, run, http_status, reason, created_ms, started_ms,"
    " finished_ms";

std::optional<std::int64_t> to_ms(std::optional<WallTime> time) {
  if (!time) return std::nullopt;
  return to_unix_ms(*time);
}

std::optional<WallTime> time_in(store::Statement const& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return from_unix_ms(row.integer(column));
}

std::optional<std::string> event_type_of(contract::ScheduleJob const& job) {
  auto const* event = std::get_if<contract::EventTrigger>(&job.trigger);
  return event == nullptr ? std::nullopt : std::optional{event->type};
}

std::string stored(contract::ScheduleJob const& job) {
  return json::serialize(contract::to_json(job, contract::HeaderValues::keep));
}

Result<ScheduleRecord> read_schedule(store::Statement const& row) {
  ScheduleRecord schedule;
  schedule.number = row.integer(0);
  schedule.id = ScheduleId::trusted(std::string{row.text(1)});
  auto job = contract::parse_schedule_job(row.text(2));
  if (!job)
    return fail(ErrorCode::data_corrupt, "the store's schedule {} does not hold a job: {}",
                schedule.id, job.error().message);
  schedule.job = *std::move(job);
  schedule.digest = row.text(3);
  schedule.paused = row.integer(4) != 0;
  schedule.cancelled = row.integer(5) != 0;
  schedule.next = time_in(row, 6);
  schedule.due = time_in(row, 7);
  schedule.last = time_in(row, 8);
  schedule.fired = row.integer(9);
  schedule.poisoned = row.integer(10);
  schedule.detail = row.text(11);
  schedule.created_at = from_unix_ms(row.integer(12));
  schedule.updated_at = from_unix_ms(row.integer(13));
  schedule.version = row.integer(14);
  return schedule;
}

Result<FiringRecord> read_firing(store::Statement const& row) {
  FiringRecord firing;
  firing.id = row.integer(0);
  firing.schedule = row.integer(1);
  firing.key = row.text(2);
  firing.nominal = from_unix_ms(row.integer(3));
  auto const cause = parse_firing_cause(row.text(4));
  if (!cause) return std::unexpected(cause.error());
  firing.cause = *cause;
  if (!row.is_null(5)) firing.event = row.integer(5);
  auto const state = parse_firing_state(row.text(6));
  if (!state) return std::unexpected(state.error());
  firing.state = *state;
  firing.attempts = row.integer(7);
  firing.crashes = row.integer(8);
  firing.missed = row.integer(9);
  firing.cancel_requested = row.integer(10) != 0;
  firing.not_before = from_unix_ms(row.integer(11));
  firing.run = row.text(12);
  firing.http_status = static_cast<int>(row.integer(13));
  firing.reason = row.text(14);
  firing.created_at = from_unix_ms(row.integer(15));
  firing.started_at = time_in(row, 16);
  firing.finished_at = time_in(row, 17);
  return firing;
}

Result<HookRecord> read_hook(store::Statement const& row) {
  auto hook = contract::parse_hook(row.text(0));
  if (!hook) return std::unexpected(hook.error());
  return HookRecord{.hook = *std::move(hook),
                    .secret = Secret{std::string{row.text(1)}},
                    .created_at = from_unix_ms(row.integer(2)),
                    .updated_at = from_unix_ms(row.integer(3))};
}

template <class Read>
auto read_all(Result<store::Statement> statement, Read const& read) -> Result<
    std::vector<typename std::invoke_result_t<Read, store::Statement const&>::value_type>> {
  if (!statement) return std::unexpected(statement.error());
  std::vector<typename std::invoke_result_t<Read, store::Statement const&>::value_type> found;
  for (;;) {
    auto const row = statement->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return found;
    auto one = read(*statement);
    if (!one) return std::unexpected(one.error());
    found.push_back(*std::move(one));
  }
}

template <class Read>
auto read_one(Result<store::Statement> statement, Read const& read) -> Result<
    std::optional<typename std::invoke_result_t<Read, store::Statement const&>::value_type>> {
  auto found = read_all(std::move(statement), read);
  if (!found) return std::unexpected(found.error());
  if (found->empty()) return std::nullopt;
  return std::move(found->front());
}

Result<std::int64_t> integer_of(Result<store::Statement> statement) {
  if (!statement) return std::unexpected(statement.error());
  auto const row = statement->step();
  if (!row) return std::unexpected(row.error());
  return *row ? statement->integer(0) : 0;
}

}  // namespace

Status insert_schedule(store::Database& database, ScheduleRecord& schedule) {
  DROVER_TRY(database.run(
      "INSERT INTO schedules(id, job, digest, idempotency_key, event_type, paused, cancelled,"
      " next_ms, due_ms, last_ms, fired, poisoned, detail, created_ms, updated_ms, version)"
      " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
      schedule.id.str(), stored(schedule.job), schedule.digest, schedule.job.idempotency_key,
      event_type_of(schedule.job), schedule.paused ? 1 : 0, schedule.cancelled ? 1 : 0,
      to_ms(schedule.next), to_ms(schedule.due), to_ms(schedule.last), schedule.fired,
      schedule.poisoned, schedule.detail, to_unix_ms(schedule.created_at),
      to_unix_ms(schedule.updated_at), schedule.version));
  schedule.number = database.last_insert_id();
  return {};
}

Status update_schedule(store::Database& database, ScheduleRecord const& schedule) {
  // The key of a cancelled one is free again, or who cancels and creates anew would get nothing.
  auto const key = schedule.cancelled ? std::nullopt : schedule.job.idempotency_key;
  return database.run(
      "UPDATE schedules SET job=?, digest=?, idempotency_key=?, event_type=?, paused=?,"
      " cancelled=?, next_ms=?, due_ms=?, last_ms=?, fired=?, poisoned=?, detail=?, updated_ms=?,"
      " version=? WHERE number=?",
      stored(schedule.job), schedule.digest, key, event_type_of(schedule.job),
      schedule.paused ? 1 : 0, schedule.cancelled ? 1 : 0, to_ms(schedule.next),
      to_ms(schedule.due), to_ms(schedule.last), schedule.fired, schedule.poisoned, schedule.detail,
      to_unix_ms(schedule.updated_at), schedule.version, schedule.number);
}

Status update_schedule_times(store::Database& database, ScheduleRecord const& schedule) {
  return database.run(
      "UPDATE schedules SET next_ms=?, due_ms=?, last_ms=?, fired=?, detail=?, updated_ms=?"
      " WHERE number=?",
      to_ms(schedule.next), to_ms(schedule.due), to_ms(schedule.last), schedule.fired,
      schedule.detail, to_unix_ms(schedule.updated_at), schedule.number);
}

Result<std::optional<ScheduleRecord>> find_schedule(store::Database& database,
                                                    ScheduleId const& id) {
  return read_one(
      database.query(fmt::format("SELECT {} FROM schedules WHERE id=?", kScheduleColumns),
                     id.str()),
      read_schedule);
}

Result<std::optional<ScheduleRecord>> find_schedule(store::Database& database,
                                                    std::int64_t number) {
  return read_one(
      database.query(fmt::format("SELECT {} FROM schedules WHERE number=?", kScheduleColumns),
                     number),
      read_schedule);
}

Result<std::optional<ScheduleRecord>> find_schedule_by_key(store::Database& database,
                                                           std::string const& key) {
  return read_one(
      database.query(
          fmt::format("SELECT {} FROM schedules WHERE idempotency_key=?", kScheduleColumns), key),
      read_schedule);
}

Result<std::vector<ScheduleRecord>> list_schedules(store::Database& database,
                                                   std::string const& before, std::int64_t limit) {
  return read_all(
      database.query(fmt::format("SELECT {} FROM schedules WHERE number <"
                                 " CASE WHEN ?1='' THEN 9223372036854775807"
                                 " ELSE coalesce((SELECT number FROM schedules WHERE id=?1), 0) END"
                                 " ORDER BY number DESC LIMIT ?2",
                                 kScheduleColumns),
                     before, limit),
      read_schedule);
}

Result<std::vector<ScheduleRecord>> due_schedules(store::Database& database, WallTime now,
                                                  std::int64_t limit) {
  return read_all(database.query(fmt::format("SELECT {} FROM schedules WHERE due_ms IS NOT NULL"
                                             " AND due_ms<=? ORDER BY due_ms LIMIT ?",
                                             kScheduleColumns),
                                 to_unix_ms(now), limit),
                  read_schedule);
}

Result<std::vector<ScheduleRecord>> schedules_of_event(store::Database& database,
                                                       std::string_view type, std::int64_t limit) {
  return read_all(
      database.query(fmt::format("SELECT {} FROM schedules WHERE event_type=? AND paused=0"
                                 " AND cancelled=0 ORDER BY number LIMIT ?",
                                 kScheduleColumns),
                     type, limit),
      read_schedule);
}

Result<std::vector<ScheduleRecord>> schedules_ahead_of(store::Database& database, WallTime now) {
  return read_all(database.query(fmt::format("SELECT {} FROM schedules WHERE due_ms IS NOT NULL"
                                             " AND updated_ms>?",
                                             kScheduleColumns),
                                 to_unix_ms(now)),
                  read_schedule);
}

Result<ScheduleStatus> status_of(store::Database& database, ScheduleRecord const& schedule) {
  if (schedule.cancelled) return ScheduleStatus::cancelled;
  auto const open = count_open_firings(database, schedule.number);
  if (!open) return std::unexpected(open.error());
  if (*open > 0) return ScheduleStatus::executing;
  bool const by_event = std::holds_alternative<contract::EventTrigger>(schedule.job.trigger);
  if (schedule.next || by_event) return ScheduleStatus::pending;
  auto const newest = list_firings(database, schedule.number, 0, 1);
  if (!newest) return std::unexpected(newest.error());
  bool const ended_well =
      newest->empty() ? schedule.detail.empty() : newest->front().state != FiringState::failed;
  return ended_well ? ScheduleStatus::completed : ScheduleStatus::failed;
}

Result<bool> insert_firing(store::Database& database, FiringRecord& firing) {
  DROVER_TRY(database.run(
      "INSERT INTO firings(schedule, key, nominal_ms, cause, event, state, attempts, crashes,"
      " missed, cancel_requested, not_before_ms, run, http_status, reason, created_ms, started_ms,"
      " finished_ms) VALUES(?,?,?,?,?,?,?,?,?,?,?,NULL,0,?,?,?,?) ON CONFLICT DO NOTHING",
      firing.schedule, firing.key, to_unix_ms(firing.nominal), to_string(firing.cause),
      firing.event, to_string(firing.state), firing.attempts, firing.crashes, firing.missed,
      firing.cancel_requested ? 1 : 0, to_unix_ms(firing.not_before), firing.reason,
      to_unix_ms(firing.created_at), to_ms(firing.started_at), to_ms(firing.finished_at)));
  if (database.changes() != 1) return false;
  firing.id = database.last_insert_id();
  return true;
}

Status update_firing(store::Database& database, FiringRecord const& firing) {
  std::optional<std::string> run;
  if (!firing.run.empty()) run = firing.run;
  return database.run(
      "UPDATE firings SET state=?, attempts=?, crashes=?, cancel_requested=?, not_before_ms=?,"
      " run=?, http_status=?, reason=?, started_ms=?, finished_ms=? WHERE id=?",
      to_string(firing.state), firing.attempts, firing.crashes, firing.cancel_requested ? 1 : 0,
      to_unix_ms(firing.not_before), run, firing.http_status, firing.reason,
      to_ms(firing.started_at), to_ms(firing.finished_at), firing.id);
}

Result<std::optional<FiringRecord>> find_firing(store::Database& database, std::int64_t id) {
  return read_one(
      database.query(fmt::format("SELECT {} FROM firings WHERE id=?", kFiringColumns), id),
      read_firing);
}

Result<std::optional<FiringRecord>> find_firing_by_key(store::Database& database,
                                                       std::int64_t schedule,
                                                       std::string const& key) {
  return read_one(database.query(fmt::format("SELECT {} FROM firings WHERE schedule=? AND key=?",
                                             kFiringColumns),
                                 schedule, key),
                  read_firing);
}

Result<std::vector<FiringRecord>> list_firings(store::Database& database, std::int64_t schedule,
                                               std::int64_t before, std::int64_t limit) {
  return read_all(database.query(fmt::format("SELECT {} FROM firings WHERE schedule=? AND id<?"
                                             " ORDER BY id DESC LIMIT ?",
                                             kFiringColumns),
                                 schedule, before == 0 ? INT64_MAX : before, limit),
                  read_firing);
}

Result<std::vector<FiringRecord>> open_firings(store::Database& database, std::int64_t schedule) {
  return read_all(database.query(fmt::format("SELECT {} FROM firings WHERE schedule=?"
                                             " AND finished_ms IS NULL ORDER BY id",
                                             kFiringColumns),
                                 schedule),
                  read_firing);
}

Result<std::int64_t> count_open_firings(store::Database& database, std::int64_t schedule) {
  return integer_of(database.query(
      "SELECT count(*) FROM firings WHERE schedule=? AND finished_ms IS NULL", schedule));
}

Result<std::vector<FiringRecord>> ready_firings(store::Database& database, WallTime now,
                                                Health health, std::int64_t limit) {
  return read_all(
      database.query(
          fmt::format("SELECT {} FROM firings WHERE state='pending' AND not_before_ms<=?"
                      " AND {} ORDER BY not_before_ms, id LIMIT ?",
                      kFiringColumns, health == Health::clean ? "crashes=0" : "crashes>0"),
          to_unix_ms(now), limit),
      read_firing);
}

Result<std::vector<FiringRecord>> running_firings(store::Database& database) {
  return read_all(database.query(fmt::format("SELECT {} FROM firings WHERE state='running'"
                                             " ORDER BY id",
                                             kFiringColumns)),
                  read_firing);
}

namespace {

Result<FiringRun> read_run(store::Statement const& row) {
  return FiringRun{row.integer(0), RunId::trusted(std::string{row.text(1)})};
}

}  // namespace

Result<std::vector<FiringRun>> runs_of_firings(store::Database& database, std::int64_t limit) {
  return read_all(database.query("SELECT id, run FROM firings WHERE state='running'"
                                 " AND run IS NOT NULL ORDER BY id LIMIT ?",
                                 limit),
                  read_run);
}

Result<std::vector<FiringRun>> runs_to_cancel(store::Database& database, std::int64_t limit) {
  return read_all(database.query("SELECT id, run FROM firings WHERE state='running'"
                                 " AND cancel_requested=1 AND run IS NOT NULL ORDER BY id LIMIT ?",
                                 limit),
                  read_run);
}

Result<StoredEvent> insert_event(store::Database& database, std::string_view source,
                                 std::optional<std::string> const& event_id, std::string_view body,
                                 WallTime at) {
  DROVER_TRY(
      database.run("INSERT INTO schedule_events(source, event_id, body, at_ms)"
                   " VALUES(?,?,?,?) ON CONFLICT DO NOTHING",
                   source, event_id, body, to_unix_ms(at)));
  if (database.changes() == 1) return StoredEvent{database.last_insert_id(), true};
  auto const known = integer_of(database.query(
      "SELECT id FROM schedule_events WHERE source=? AND event_id=?", source, event_id));
  if (!known) return std::unexpected(known.error());
  return StoredEvent{*known, false};
}

Status drop_event_body(store::Database& database, std::int64_t id) {
  return database.run("UPDATE schedule_events SET body='' WHERE id=?", id);
}

Result<std::string> event_body(store::Database& database, std::int64_t id) {
  auto found = read_one(
      database.query("SELECT body FROM schedule_events WHERE id=?", id),
      [](store::Statement const& row) -> Result<std::string> { return std::string{row.text(0)}; });
  if (!found) return std::unexpected(found.error());
  if (!*found || (*found)->empty())
    return fail(ErrorCode::data_corrupt, "the event {} of a firing is not in the store", id);
  return **std::move(found);
}

Result<bool> insert_delivery(store::Database& database, std::string const& hook,
                             std::vector<std::string> const& marks, WallTime at) {
  for (std::string const& mark : marks) {
    DROVER_TRY(
        database.run("INSERT INTO hook_deliveries(hook, mark, at_ms) VALUES(?,?,?)"
                     " ON CONFLICT DO NOTHING",
                     hook, mark, to_unix_ms(at)));
    if (database.changes() != 1) return false;
  }
  return true;
}

Result<bool> put_hook(store::Database& database, HookRecord const& hook) {
  auto const known = find_hook(database, hook.hook.name);
  if (!known) return std::unexpected(known.error());
  DROVER_TRY(
      database.run("INSERT INTO hooks(name, hook, secret, created_ms, updated_ms) VALUES(?,?,?,?,?)"
                   " ON CONFLICT(name) DO UPDATE SET hook=excluded.hook, secret=excluded.secret,"
                   " updated_ms=excluded.updated_ms",
                   hook.hook.name, json::serialize(contract::to_json(hook.hook)),
                   hook.secret.reveal(), to_unix_ms(hook.created_at), to_unix_ms(hook.updated_at)));
  return !known->has_value();
}

Result<std::optional<HookRecord>> find_hook(store::Database& database, std::string const& name) {
  return read_one(
      database.query("SELECT hook, secret, created_ms, updated_ms FROM hooks WHERE name=?", name),
      read_hook);
}

Result<std::vector<HookRecord>> list_hooks(store::Database& database) {
  return read_all(
      database.query("SELECT hook, secret, created_ms, updated_ms FROM hooks ORDER BY name"),
      read_hook);
}

Result<bool> delete_hook(store::Database& database, std::string const& name) {
  DROVER_TRY(database.run("DELETE FROM hooks WHERE name=?", name));
  bool const was_there = database.changes() == 1;
  DROVER_TRY(database.run("DELETE FROM hook_deliveries WHERE hook=?", name));
  return was_there;
}

}  // namespace drover::schedule
