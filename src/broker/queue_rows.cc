#include "broker/queue_rows.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"

namespace drover::broker {

namespace {

constexpr std::string_view kEntryColumns =
    "run, task_type, pool, tenant, priority, fifo_groups, keys, not_before_ms, enqueued_at_ms,"
    " expires_ms, retry, failed, lost, lost_max, epoch, labels";
constexpr int kEntryColumnCount = 16;

std::int64_t number(Epoch epoch) {
  return static_cast<std::int64_t>(epoch);
}

std::string join_lines(std::vector<std::string> const& lines) {
  std::string text;
  for (std::string const& line : lines)
    text.append(text.empty() ? "" : "\n").append(line);
  return text;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  if (text.empty()) return lines;
  for (std::string_view const line : split(text, '\n'))
    lines.emplace_back(line);
  return lines;
}

// One key a line: "<max> <name>".
std::string print_keys(std::vector<ConcurrencyKey> const& keys) {
  std::string text;
  for (ConcurrencyKey const& key : keys)
    text += fmt::format("{}{} {}", text.empty() ? "" : "\n", key.max, key.name);
  return text;
}

Result<std::vector<ConcurrencyKey>> read_keys(std::string_view text) {
  std::vector<ConcurrencyKey> keys;
  for (std::string const& line : split_lines(text)) {
    ConcurrencyKey key;
    char const* const end = line.data() + line.size();
    auto const [at, error] = std::from_chars(line.data(), end, key.max);
    if (error != std::errc{} || at == end || *at != ' ')
      return fail(ErrorCode::data_corrupt, "the store's concurrency key '{}' cannot be read",
                  printable(line, 80));
    key.name.assign(at + 1, end);
    keys.push_back(std::move(key));
  }
  return keys;
}

std::optional<std::int64_t> to_column(std::optional<WallTime> time) {
  if (!time) return std::nullopt;
  return to_unix_ms(*time);
}

// The columns of kEntryColumns, from number `at`.
Result<QueueEntry> read_entry(store::Statement const& row, int at) {
  QueueEntry entry;
  entry.run = RunId::trusted(std::string{row.text(at)});
  entry.task_type = row.text(at + 1);
  entry.pool = row.text(at + 2);
  entry.tenant = row.text(at + 3);
  entry.priority = row.integer(at + 4);
  entry.fifo_groups = split_lines(row.text(at + 5));
  auto keys = read_keys(row.text(at + 6));
  if (!keys) return std::unexpected(keys.error());
  entry.keys = *std::move(keys);
  entry.not_before = from_unix_ms(row.integer(at + 7));
  entry.enqueued_at = from_unix_ms(row.integer(at + 8));
  if (!row.is_null(at + 9)) entry.expires_at = from_unix_ms(row.integer(at + 9));
  auto retry = read_retry_policy(row.text(at + 10));
  if (!retry) return std::unexpected(retry.error());
  entry.retry = *std::move(retry);
  entry.failed = row.integer(at + 11);
  entry.lost = row.integer(at + 12);
  entry.lost_max = row.integer(at + 13);
  entry.epoch = Epoch{row.integer(at + 14)};
  auto labels = parse_labels(row.text(at + 15));
  if (!labels) return std::unexpected(labels.error());
  entry.labels = *std::move(labels);
  return entry;
}

Result<DeadReason> read_reason(std::string_view text) {
  for (DeadReason const reason : {DeadReason::attempts, DeadReason::poison, DeadReason::rejected})
    if (text == to_string(reason)) return reason;
  return fail(ErrorCode::data_corrupt, "the store has a dead letter for the reason '{}'",
              printable(text, 40));
}

Result<DeadLetter> read_letter(store::Statement const& row) {
  auto entry = read_entry(row, 0);
  if (!entry) return std::unexpected(entry.error());
  auto const reason = read_reason(row.text(kEntryColumnCount));
  if (!reason) return std::unexpected(reason.error());
  return DeadLetter{*std::move(entry), *reason, std::string{row.text(kEntryColumnCount + 1)},
                    from_unix_ms(row.integer(kEntryColumnCount + 2))};
}

template <class T, class Read>
Result<std::vector<T>> read_all(Result<store::Statement> rows, Read const& read) {
  if (!rows) return std::unexpected(rows.error());
  std::vector<T> all;
  for (;;) {
    auto const found = rows->step();
    if (!found) return std::unexpected(found.error());
    if (!*found) return all;
    Result<T> one = read(*rows);
    if (!one) return std::unexpected(one.error());
    all.push_back(*std::move(one));
  }
}

// Whether there is a row.
Result<bool> exists(Result<store::Statement> rows) {
  if (!rows) return std::unexpected(rows.error());
  return rows->step();
}

}  // namespace

Result<std::vector<QueueRow>> read_queue(store::Database& database) {
  return read_all<QueueRow>(
      database.query(fmt::format("SELECT {}, id FROM dispatch_queue ORDER BY id", kEntryColumns)),
      [](store::Statement const& row) -> Result<QueueRow> {
        auto entry = read_entry(row, 0);
        if (!entry) return std::unexpected(entry.error());
        return QueueRow{*std::move(entry), row.integer(kEntryColumnCount)};
      });
}

Result<std::vector<QueuedRun>> queued_runs(store::Database& database) {
  return read_all<QueuedRun>(
      database.query("SELECT run, claimed_by IS NULL FROM dispatch_queue ORDER BY id"),
      [](store::Statement const& row) -> Result<QueuedRun> {
        return QueuedRun{RunId::trusted(std::string{row.text(0)}),
                         row.integer(1) == 1 ? QueuedRun::Hold::nobody : QueuedRun::Hold::worker};
      });
}

Result<std::int64_t> insert_entry(store::Database& database, QueueEntry const& entry) {
  static std::string const kInsert = fmt::format(
      "INSERT INTO dispatch_queue({}) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO "
      "NOTHING",
      kEntryColumns);
  DROVER_TRY(database.run(
      kInsert, entry.run.str(), entry.task_type, entry.pool, entry.tenant, entry.priority,
      join_lines(entry.fifo_groups), print_keys(entry.keys), to_unix_ms(entry.not_before),
      to_unix_ms(entry.enqueued_at), to_column(entry.expires_at), print_retry_policy(entry.retry),
      entry.failed, entry.lost, entry.lost_max, number(entry.epoch), print_labels(entry.labels)));
  if (database.changes() == 0)
    return fail(ErrorCode::conflict, "run {} is in the dispatch queue already", entry.run);
  return database.last_insert_id();
}

Result<bool> delete_claimed(store::Database& database, RunId const& run, Epoch epoch) {
  DROVER_TRY(
      database.run("DELETE FROM dispatch_queue WHERE run=? AND epoch=? AND claimed_by IS NOT NULL",
                   run.str(), number(epoch)));
  return database.changes() == 1;
}

Result<bool> put_back(store::Database& database, RunId const& run, Epoch epoch, WallTime not_before,
                      std::int64_t failed) {
  DROVER_TRY(
      database.run("UPDATE dispatch_queue SET not_before_ms=?, failed=?, claimed_by=NULL"
                   " WHERE run=? AND epoch=? AND claimed_by IS NOT NULL",
                   to_unix_ms(not_before), failed, run.str(), number(epoch)));
  return database.changes() == 1;
}

Result<bool> bury_claimed(store::Database& database, DeadLetter const& letter) {
  static std::string const kBury = fmt::format(
      "INSERT OR REPLACE INTO dead_letters({0}, reason, detail, died_ms) SELECT {0}, ?, ?, ?"
      " FROM dispatch_queue WHERE run=? AND epoch=? AND claimed_by IS NOT NULL",
      kEntryColumns);
  QueueEntry const& entry = letter.entry;
  DROVER_TRY(database.run("UPDATE dispatch_queue SET failed=?, lost=? WHERE run=? AND epoch=?",
                          entry.failed, entry.lost, entry.run.str(), number(entry.epoch)));
  DROVER_TRY(database.run(kBury, to_string(letter.reason), letter.detail,
                          to_unix_ms(letter.died_at), entry.run.str(), number(entry.epoch)));
  if (database.changes() == 0) return false;
  return delete_claimed(database, entry.run, entry.epoch);
}

Result<bool> write_claim(store::Database& database, std::int64_t id, Epoch epoch,
                         WorkerId const& worker) {
  DROVER_TRY(
      database.run("UPDATE dispatch_queue SET epoch=?1, claimed_by=?2 WHERE id=?3 AND epoch<?1",
                   number(epoch), worker.str(), id));
  return database.changes() == 1;
}

Status write_lost_lease(store::Database& database, ExpiredLease const& lease) {
  return database.run(
      "UPDATE dispatch_queue SET lost=max(lost, ?1),"
      " claimed_by=CASE WHEN epoch=?2 THEN NULL ELSE claimed_by END WHERE run=?3",
      lease.lost, number(lease.epoch), lease.run.str());
}

Result<bool> delete_overdue(store::Database& database, RunId const& run) {
  DROVER_TRY(database.run("DELETE FROM dispatch_queue WHERE run=? AND epoch=0", run.str()));
  return database.changes() == 1;
}

Result<CancelOutcome> delete_unclaimed(store::Database& database, RunId const& run) {
  DROVER_TRY(
      database.run("DELETE FROM dispatch_queue WHERE run=? AND claimed_by IS NULL", run.str()));
  if (database.changes() == 1) return CancelOutcome::removed;
  auto const there = exists(database.query("SELECT 1 FROM dispatch_queue WHERE run=?", run.str()));
  if (!there) return std::unexpected(there.error());
  return *there ? CancelOutcome::claimed : CancelOutcome::absent;
}

Status end_delay(store::Database& database, RunId const& run, WallTime now) {
  DROVER_TRY(
      database.run("UPDATE dispatch_queue SET not_before_ms=min(not_before_ms, ?)"
                   " WHERE run=? AND claimed_by IS NULL",
                   to_unix_ms(now), run.str()));
  if (database.changes() == 1) return {};
  auto const there = exists(database.query("SELECT 1 FROM dispatch_queue WHERE run=?", run.str()));
  if (!there) return std::unexpected(there.error());
  if (*there) return fail(ErrorCode::conflict, "the run {} is claimed already", run);
  return fail(ErrorCode::not_found, "the run {} is not in the dispatch queue", run);
}

Status forget_claimers(store::Database& database) {
  return database.run("UPDATE dispatch_queue SET claimed_by=NULL WHERE claimed_by IS NOT NULL");
}

Result<RunId> take_dedup_key(store::Database& database, std::string const& key, RunId const& run,
                             WallTime now, WallTime until) {
  // Each key is put in once and so taken out once.
  DROVER_TRY(database.run("DELETE FROM queue_dedup WHERE until_ms<=?", to_unix_ms(now)));
  DROVER_TRY(database.run(
      "INSERT INTO queue_dedup(key, run, until_ms) VALUES(?,?,?) ON CONFLICT DO NOTHING", key,
      run.str(), to_unix_ms(until)));
  if (database.changes() == 1) return run;
  auto rows = database.query("SELECT run FROM queue_dedup WHERE key=?", key);
  if (!rows) return std::unexpected(rows.error());
  auto const found = rows->step();
  if (!found) return std::unexpected(found.error());
  return RunId::trusted(std::string{rows->text(0)});
}

Result<std::vector<DeadLetter>> read_dead_letters(store::Database& database,
                                                  DeadLetterFilter const& filter) {
  return read_all<DeadLetter>(
      database.query(
          fmt::format("SELECT {}, reason, detail, died_ms FROM dead_letters"
                      " WHERE (?1='' OR task_type=?1) AND (?2='' OR tenant=?2)"
                      " AND (?3='' OR id < coalesce((SELECT id FROM dead_letters WHERE run=?3), 0))"
                      " ORDER BY id DESC LIMIT ?4",
                      kEntryColumns),
          filter.task_type, filter.tenant, filter.before, filter.limit),
      read_letter);
}

Result<DeadLetter> take_dead_letter(store::Database& database, RunId const& run) {
  auto found = read_all<DeadLetter>(
      database.query(fmt::format("SELECT {}, reason, detail, died_ms FROM dead_letters WHERE run=?",
                                 kEntryColumns),
                     run.str()),
      read_letter);
  if (!found) return std::unexpected(found.error());
  if (found->empty())
    return fail_next(ErrorCode::not_found, fmt::format("there is no dead letter of run {}", run),
                     "drover dead-letters lists them");
  DROVER_TRY(database.run("DELETE FROM dead_letters WHERE run=?", run.str()));
  return std::move(found->front());
}

Result<std::vector<DeadCount>> count_dead_letters(store::Database& database) {
  return read_all<DeadCount>(
      database.query("SELECT pool, task_type, tenant, count(*) FROM dead_letters GROUP BY 1, 2, 3"),
      [](store::Statement const& row) -> Result<DeadCount> {
        return DeadCount{std::string{row.text(0)}, std::string{row.text(1)},
                         std::string{row.text(2)}, row.integer(3)};
      });
}

Status insert_pause(store::Database& database, QueueName const& name) {
  return database.run("INSERT INTO queue_pauses(name) VALUES(?) ON CONFLICT DO NOTHING",
                      name.str());
}

Status delete_pause(store::Database& database, QueueName const& name) {
  return database.run("DELETE FROM queue_pauses WHERE name=?", name.str());
}

Result<std::vector<QueueName>> read_pauses(store::Database& database) {
  return read_all<QueueName>(
      database.query("SELECT name FROM queue_pauses"),
      [](store::Statement const& row) { return QueueName::parse(row.text(0)); });
}

}  // namespace drover::broker
