#include "worker/spend_store.h"

#include <fmt/format.h>

#include <algorithm>

namespace drover::worker {

namespace {

constexpr std::string_view kTables = R"sql(
CREATE TABLE spend(
  day TEXT NOT NULL, tenant TEXT NOT NULL, agent TEXT NOT NULL, session TEXT NOT NULL,
  model TEXT NOT NULL, calls INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, tokens INTEGER NOT NULL,
  cost_micro INTEGER NOT NULL,
  PRIMARY KEY(day, tenant, agent, session, model)) STRICT, WITHOUT ROWID;
CREATE TABLE spend_open(
  id INTEGER PRIMARY KEY, day TEXT NOT NULL, tenant TEXT NOT NULL, agent TEXT NOT NULL,
  session TEXT NOT NULL, model TEXT NOT NULL, tokens INTEGER NOT NULL,
  cost_micro INTEGER NOT NULL) STRICT;
CREATE TABLE spend_limits(
  id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL, revision INTEGER NOT NULL) STRICT
)sql";

constexpr std::string_view kAdd =
    " ON CONFLICT(day, tenant, agent, session, model) DO UPDATE SET"
    " calls=calls+excluded.calls, input=input+excluded.input, output=output+excluded.output,"
    " cache_read=cache_read+excluded.cache_read, cache_write=cache_write+excluded.cache_write,"
    " tokens=tokens+excluded.tokens, cost_micro=cost_micro+excluded.cost_micro";

constexpr std::string_view kSums =
    "SUM(calls), SUM(input), SUM(output), SUM(cache_read), SUM(cache_write), SUM(tokens),"
    " SUM(cost_micro)";

void read_sums(store::Statement const& row, int column, SpendRow& out) {
  out.calls = row.integer(column);
  out.usage.input = row.integer(column + 1);
  out.usage.output = row.integer(column + 2);
  out.usage.cache_read = row.integer(column + 3);
  out.usage.cache_write_5m = row.integer(column + 4);
  out.amount.tokens = row.integer(column + 5);
  out.amount.microdollars = row.integer(column + 6);
}

std::string& member_of(SpendRow& row, SpendColumn column) {
  switch (column) {
    case SpendColumn::day:
      return row.day;
    case SpendColumn::tenant:
      return row.spender.tenant;
    case SpendColumn::agent:
      return row.spender.agent;
    case SpendColumn::session:
      return row.spender.session;
    case SpendColumn::model:
      return row.model;
  }
  return row.day;
}

}  // namespace

std::vector<store::Migration> spend_migrations() {
  return {{"spend", 1, "what model calls cost, and what they may", kTables}};
}

Status open_spend(store::Database& database, std::int64_t id, SpendRow const& row) {
  return database.run(
      "INSERT INTO spend_open(id, day, tenant, agent, session, model, tokens, cost_micro)"
      " VALUES(?,?,?,?,?,?,?,?)",
      id, row.day, row.spender.tenant, row.spender.agent, row.spender.session, row.model,
      row.amount.tokens, row.amount.microdollars);
}

Status close_spend(store::Database& database, std::int64_t id, SpendRow const& row) {
  if (id != 0) DROVER_TRY(database.run("DELETE FROM spend_open WHERE id=?", id));
  return database.run(
      fmt::format("INSERT INTO spend(day, tenant, agent, session, model, calls, input, output,"
                  " cache_read, cache_write, tokens, cost_micro) VALUES(?,?,?,?,?,?,?,?,?,?,?,?){}",
                  kAdd),
      row.day, row.spender.tenant, row.spender.agent, row.spender.session, row.model, row.calls,
      row.usage.input, row.usage.output, row.usage.cache_read,
      row.usage.cache_write_5m + row.usage.cache_write_1h, row.amount.tokens,
      row.amount.microdollars);
}

Status close_all_spend(store::Database& database) {
  DROVER_TRY(database.run(fmt::format(
      "INSERT INTO spend(day, tenant, agent, session, model, calls, input, output, cache_read,"
      " cache_write, tokens, cost_micro) SELECT day, tenant, agent, session, model, 1, 0, 0, 0, 0,"
      " tokens, cost_micro FROM spend_open WHERE true{}",
      kAdd)));
  return database.run("DELETE FROM spend_open");
}

Result<OpenSpend> read_open_spend(store::Database& database) {
  auto rows = database.query(
      "SELECT id, day, tenant, agent, session, model, tokens, cost_micro FROM spend_open"
      " ORDER BY id");
  if (!rows) return std::unexpected(rows.error());
  OpenSpend open;
  for (;;) {
    auto const there = rows->step();
    if (!there) return std::unexpected(there.error());
    if (!*there) return open;
    open.last_id = rows->integer(0);
    SpendRow row;
    row.day = rows->text(1);
    row.spender.tenant = rows->text(2);
    row.spender.agent = rows->text(3);
    row.spender.session = rows->text(4);
    row.model = rows->text(5);
    row.amount.tokens = rows->integer(6);
    row.amount.microdollars = rows->integer(7);
    open.rows.push_back(std::move(row));
  }
}

Status each_spend(store::Database& database, std::function<void(SpendRow const&)> const& take) {
  auto rows = database.query(
      fmt::format("SELECT day, tenant, agent, session, {} FROM spend GROUP BY 1, 2, 3, 4", kSums));
  if (!rows) return std::unexpected(rows.error());
  for (;;) {
    auto const there = rows->step();
    if (!there) return std::unexpected(there.error());
    if (!*there) return {};
    SpendRow row;
    row.day = rows->text(0);
    row.spender.tenant = rows->text(1);
    row.spender.agent = rows->text(2);
    row.spender.session = rows->text(3);
    read_sums(*rows, 4, row);
    take(row);
  }
}

Result<std::vector<SpendRow>> read_spend(store::Database& database, SpendQuery const& query) {
  std::string columns;
  for (SpendColumn const column : query.by)
    columns += fmt::format("{}, ", kSpendColumns[static_cast<std::size_t>(column)]);
  bool const has_day = std::ranges::find(query.by, SpendColumn::day) != query.by.end();
  std::string grouped;
  if (!columns.empty()) grouped = " GROUP BY " + columns.substr(0, columns.size() - 2);
  auto rows = database.query(
      fmt::format("SELECT {}{} FROM spend WHERE (?1='' OR day>=?1) AND (?2='' OR day<=?2)"
                  " AND (?3='' OR tenant=?3) AND (?4='' OR agent=?4) AND (?5='' OR session=?5){}"
                  " ORDER BY {}SUM(cost_micro) DESC, SUM(tokens) DESC LIMIT ?6",
                  columns, kSums, grouped, has_day ? "day DESC, " : ""),
      query.since, query.until, query.tenant, query.agent, query.session, query.rows_max);
  if (!rows) return std::unexpected(rows.error());
  std::vector<SpendRow> out;
  for (;;) {
    auto const there = rows->step();
    if (!there) return std::unexpected(there.error());
    if (!*there) return out;
    SpendRow row;
    int column = 0;
    for (SpendColumn const by : query.by)
      member_of(row, by) = rows->text(column++);
    read_sums(*rows, column, row);
    // Without a group there is always one row of sums, also of none.
    if (row.calls > 0) out.push_back(std::move(row));
  }
}

}  // namespace drover::worker
