#pragma once
// The durable rows of the fleet: whose a name is, which user its program and files have on the
// host, and whether its state was ever made, so that a state that is gone is told from one that
// never was. A row is there before anything of its instance is, and until its state is wiped.
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "fleet/wanted.h"
#include "store/migrations.h"
#include "store/writer.h"

namespace drover::fleet {

[[nodiscard]] std::vector<store::Migration> fleet_migrations();
[[nodiscard]] Result<KnownInstances> load_known(store::Database& database);
// In place of one of the same name.
[[nodiscard]] Status put_known(store::Database& database, std::string const& name,
                               Known const& known, WallTime now);
[[nodiscard]] Status set_volume_made(store::Database& database, std::string const& name, bool made);
[[nodiscard]] Status remove_known(store::Database& database, std::string const& name);

}  // namespace drover::fleet
