#include "fleet/rows.h"

#include <utility>

namespace drover::fleet {

namespace {

// `backend` is where its state is; `volume` is empty where that backend has no names for states.
constexpr std::string_view kTable = R"sql(
CREATE TABLE fleet_instances(
  name TEXT PRIMARY KEY,
  agent TEXT NOT NULL,
  replica INTEGER NOT NULL,
  backend TEXT NOT NULL,
  uid INTEGER NOT NULL,
  volume TEXT NOT NULL,
  volume_made INTEGER NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID
)sql";

}  // namespace

std::vector<store::Migration> fleet_migrations() {
  return {{"fleet", 1, "instances of resident agents", kTable}};
}

Result<KnownInstances> load_known(store::Database& database) {
  auto rows = database.query(
      "SELECT name, agent, replica, backend, uid, volume, volume_made FROM fleet_instances");
  if (!rows) return std::unexpected(rows.error());
  KnownInstances all;
  for (;;) {
    auto const there = rows->step();
    if (!there) return std::unexpected(there.error());
    if (!*there) return all;
    Known known;
    known.of = {std::string{rows->text(1)}, static_cast<int>(rows->integer(2))};
    known.backend = rows->text(3);
    known.uid = static_cast<uid_t>(rows->integer(4));
    known.volume = rows->text(5);
    known.volume_made = rows->integer(6) != 0;
    all.emplace(rows->text(0), std::move(known));
  }
}

Status put_known(store::Database& database, std::string const& name, Known const& known,
                 WallTime now) {
  return database.run(
      "INSERT OR REPLACE INTO"
      " fleet_instances(name, agent, replica, backend, uid, volume, volume_made, created_ms)"
      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
      name, known.of.agent, static_cast<std::int64_t>(known.of.number), known.backend,
      static_cast<std::int64_t>(known.uid), known.volume,
      static_cast<std::int64_t>(known.volume_made ? 1 : 0), to_unix_ms(now));
}

Status set_volume_made(store::Database& database, std::string const& name, bool made) {
  return database.run("UPDATE fleet_instances SET volume_made=?2 WHERE name=?1", name,
                      static_cast<std::int64_t>(made ? 1 : 0));
}

Status remove_known(store::Database& database, std::string const& name) {
  return database.run("DELETE FROM fleet_instances WHERE name=?1", name);
}

}  // namespace drover::fleet
