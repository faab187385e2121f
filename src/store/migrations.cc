#include "store/migrations.h"

#include <string>

#include "base/check.h"
#include "base/log.h"

namespace drover::store {

SchemaVersions known_versions(std::span<Migration const> all) {
  SchemaVersions known;
  for (Migration const& migration : all) {
    int& last = known[std::string{migration.domain}];
    DROVER_CHECK(migration.version == last + 1);
    last = migration.version;
  }
  return known;
}

Result<SchemaVersions> applied_versions(Database& database) {
  auto statement =
      database.query("SELECT domain, max(version) FROM schema_migrations GROUP BY domain");
  if (!statement) return std::unexpected(statement.error());
  SchemaVersions applied;
  for (;;) {
    auto const row = statement->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return applied;
    applied.emplace(statement->text(0), static_cast<int>(statement->integer(1)));
  }
}

Status refuse_newer(std::string_view subject, SchemaVersions const& applied,
                    SchemaVersions const& known) {
  for (auto const& [domain, version] : applied) {
    auto const found = known.find(domain);
    int const newest = found == known.end() ? 0 : found->second;
    if (version > newest)
      return fail_next(ErrorCode::conflict,
                       fmt::format("{} has schema {} version {}, and this drover knows "
                                   "it up to version {}",
                                   subject, domain, version, newest),
                       "use the newer drover that wrote it, or another state folder");
  }
  return {};
}

namespace {

// `schema_migrations` has a row for each script that was applied; user_version is their number,
// for people with a SQLite shell.
constexpr std::string_view kBookkeeping =
    "CREATE TABLE IF NOT EXISTS schema_migrations("
    " domain TEXT NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL,"
    " applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),"
    " PRIMARY KEY(domain, version)) STRICT, WITHOUT ROWID";

Status apply(Database& database, Migration const& migration) {
  if (auto done = database.execute(migration.sql); !done) {
    Error error = std::move(done).error();
    error.message = fmt::format("migration {} {} ({}) failed: {}", migration.domain,
                                migration.version, migration.name, error.message);
    return std::unexpected(std::move(error));
  }
  return database.run("INSERT INTO schema_migrations(domain, version, name) VALUES(?, ?, ?)",
                      migration.domain, migration.version, migration.name);
}

Status migrate_inside(Database& database, std::span<Migration const> all) {
  auto const known = known_versions(all);
  DROVER_TRY(database.execute(kBookkeeping));
  auto const applied = applied_versions(database);
  if (!applied) return std::unexpected(applied.error());
  DROVER_TRY(refuse_newer("the store " + database.path(), *applied, known));
  int count = 0;
  for (Migration const& migration : all) {
    auto const found = applied->find(migration.domain);
    if (found != applied->end() && migration.version <= found->second) continue;
    DROVER_TRY(apply(database, migration));
    ++count;
  }
  if (count == 0) return {};
  log::info("store-migrated", {{"path", database.path()}, {"applied", count}});
  return database.execute(fmt::format("PRAGMA user_version={}", all.size()));
}

}  // namespace

Status migrate(Database& database, std::span<Migration const> all) {
  DROVER_TRY(database.execute("BEGIN IMMEDIATE"));
  auto done = migrate_inside(database, all);
  if (done) done = database.execute("COMMIT");
  if (!done && database.in_transaction()) {
    if (auto const undone = database.execute("ROLLBACK"); !undone)
      log::error("store-rollback-failed", {{"error", undone.error().message}});
  }
  return done;
}

}  // namespace drover::store
