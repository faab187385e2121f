#include "worker/definition_rows.h"

#include <fmt/format.h>

#include <utility>

#include <boost/json.hpp>

#include "base/json_difference.h"
#include "base/text.h"
#include "worker/audit.h"

namespace drover::worker {

namespace {

// The highest revision that was deleted, by kind.
constexpr std::string_view kFloors = R"sql(
CREATE TABLE definition_floors(
  kind TEXT PRIMARY KEY,
  revision INTEGER NOT NULL
) STRICT
)sql";

Result<DefinitionRow> read_row(DefinitionTable const& table, store::Statement const& row) {
  DefinitionRow definition;
  definition.name = row.text(0);
  auto body = parse_json(row.text(1));
  if (!body)
    return fail(ErrorCode::data_corrupt, "the stored {} {} cannot be read: {}", table.noun,
                definition.name, body.error().message);
  definition.body = *std::move(body);
  definition.revision = row.integer(2);
  return definition;
}

Result<std::optional<DefinitionRow>> find_row(store::Database& database,
                                              DefinitionTable const& table,
                                              std::string const& name) {
  auto rows = database.query(
      fmt::format("SELECT name, body, revision FROM {} WHERE name=?1", table.table), name);
  if (!rows) return std::unexpected(rows.error());
  auto const more = rows->step();
  if (!more) return std::unexpected(more.error());
  if (!*more) return std::nullopt;
  auto row = read_row(table, *rows);
  if (!row) return std::unexpected(row.error());
  return *std::move(row);
}

// The one of the first row; 0 where there is none.
template <class... Values>
Result<std::int64_t> number_of(store::Database& database, std::string_view sql,
                               Values const&... values) {
  auto rows = database.query(sql, values...);
  if (!rows) return std::unexpected(rows.error());
  auto const more = rows->step();
  if (!more) return std::unexpected(more.error());
  return *more ? rows->integer(0) : 0;
}

Status check_revision(DefinitionTable const& table, DefinitionChange const& change,
                      std::optional<DefinitionRow> const& present) {
  std::int64_t const revision = present ? present->revision : 0;
  if (!change.expected_revision || *change.expected_revision == revision) return {};
  std::string const is = present ? fmt::format("is at revision {}", revision)
                                 : std::string{"is not stored, which is revision 0"};
  return fail_next(ErrorCode::conflict,
                   fmt::format("the {} {} {}, not {}", table.noun, printable(change.name, 80), is,
                               *change.expected_revision),
                   "read it again, and repeat the change on what is there now");
}

Status check_room(store::Database& database, DefinitionTable const& table) {
  auto const count = number_of(database, fmt::format("SELECT count(*) FROM {}", table.table));
  if (!count) return std::unexpected(count.error());
  if (*count < kDefinitionsMax) return {};
  return fail_next(
      ErrorCode::too_large,
      fmt::format("{} {}s are stored, which is the limit", kDefinitionsMax, table.noun),
      "delete those that are not used");
}

Result<std::int64_t> next_revision(store::Database& database, DefinitionTable const& table,
                                   std::optional<DefinitionRow> const& present) {
  if (present) return present->revision + 1;
  auto const floor =
      number_of(database, "SELECT revision FROM definition_floors WHERE kind=?1", table.kind);
  if (!floor) return floor;
  return *floor + 1;
}

json::value const* pointer_to(std::optional<json::value> const& value) {
  return value ? &*value : nullptr;
}

Status note(store::Database& database, DefinitionTable const& table, DefinitionChange const& change,
            std::int64_t revision, json::value const* before, json::value const* after) {
  AuditEntry entry;
  entry.at = change.at;
  entry.kind = table.kind;
  entry.name = change.name;
  entry.revision = revision;
  entry.actor = change.actor;
  entry.changes = json_differences(before, after);
  entry.action = action_of(before, after, entry.changes);
  return insert_audit(database, entry);
}

}  // namespace

std::vector<store::Migration> definition_migrations() {
  auto all = audit_migrations();
  all.push_back({"definitions", 1, "revisions go on above what was deleted", kFloors});
  return all;
}

Status each_definition(store::Database& database, DefinitionTable const& table,
                       std::function<Status(DefinitionRow)> const& take) {
  auto rows = database.query(fmt::format("SELECT name, body, revision FROM {}", table.table));
  if (!rows) return std::unexpected(rows.error());
  for (;;) {
    auto const more = rows->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    auto row = read_row(table, *rows);
    if (!row) return std::unexpected(row.error());
    DROVER_TRY(take(*std::move(row)));
  }
}

Result<WrittenDefinition> write_definition(store::Database& database, DefinitionTable const& table,
                                           DefinitionChange const& change,
                                           json::value const& body) {
  auto const present = find_row(database, table, change.name);
  if (!present) return std::unexpected(present.error());
  DROVER_TRY(check_revision(table, change, *present));
  bool const is_new = !present->has_value();
  if (!is_new && (*present)->body == body)
    return WrittenDefinition{DefinitionWrite::unchanged, (*present)->revision};
  if (is_new) DROVER_TRY(check_room(database, table));
  auto const revision = next_revision(database, table, *present);
  if (!revision) return std::unexpected(revision.error());
  DROVER_TRY(database.run(fmt::format("INSERT INTO {}(name, body, revision) VALUES(?1,?2,?3)"
                                      " ON CONFLICT(name) DO UPDATE SET body=?2, revision=?3",
                                      table.table),
                          change.name, json::serialize(body), *revision));
  json::value const* const before = is_new ? pointer_to(change.built_in) : &(*present)->body;
  DROVER_TRY(note(database, table, change, *revision, before, &body));
  return WrittenDefinition{is_new ? DefinitionWrite::created : DefinitionWrite::replaced,
                           *revision};
}

Status remove_definition(store::Database& database, DefinitionTable const& table,
                         DefinitionChange const& change) {
  auto const present = find_row(database, table, change.name);
  if (!present) return std::unexpected(present.error());
  if (!*present && change.built_in)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the {} {} is built in and cannot be removed", table.noun,
                                 printable(change.name, 80)),
                     "put one of that name to stand before it");
  if (!*present)
    return fail(ErrorCode::not_found, "no {} '{}' was stored through the API", table.noun,
                printable(change.name, 80));
  DROVER_TRY(check_revision(table, change, *present));
  std::int64_t const revision = (*present)->revision;
  DROVER_TRY(database.run(fmt::format("DELETE FROM {} WHERE name=?1", table.table), change.name));
  DROVER_TRY(
      database.run("INSERT INTO definition_floors(kind, revision) VALUES(?1,?2)"
                   " ON CONFLICT(kind) DO UPDATE SET revision=max(revision, ?2)",
                   table.kind, revision));
  // That a built-in one holds again is the product's doing, not a part of what was deleted.
  return note(database, table, change, revision, &(*present)->body, nullptr);
}

}  // namespace drover::worker
