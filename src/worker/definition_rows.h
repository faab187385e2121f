#pragma once
// Definitions as the store has them, and the steps of their life: plain functions on a connection,
// inside a job of the Writer or of a Reader. Each change writes its entry of the audit with it.
//
// A revision is never given twice to a name: one that is made anew after it was deleted goes on
// above whatever was deleted of its kind, so that a write which was meant for the earlier one is
// seen to be stale.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "store/database.h"
#include "store/migrations.h"

namespace drover::worker {

inline constexpr std::int64_t kDefinitionsMax = 1000;  // of a kind

struct DefinitionTable {
  std::string_view kind;   // as the audit calls it: "agent"
  std::string_view noun;   // as sentences call it: "agent", "task type"
  std::string_view table;  // its rows
};

struct DefinitionRow {
  std::string name;
  json::value body;
  std::int64_t revision = 0;
};

// One change that somebody asks for.
struct DefinitionChange {
  std::string name;
  std::optional<std::int64_t> expected_revision;  // nullopt: whatever is there; 0: nothing is
  std::string actor;
  WallTime at;
  std::optional<json::value> built_in;  // what the name stands for where the store has nothing
};

enum class DefinitionWrite : std::uint8_t {
  created,  // the store had none of that name
  replaced,
  unchanged,  // it is that already: nothing was written
};
struct WrittenDefinition {
  DefinitionWrite what = DefinitionWrite::created;
  std::int64_t revision = 0;
};

// The tables beside those of the kinds, and the audit.
[[nodiscard]] std::vector<store::Migration> definition_migrations();

[[nodiscard]] Status each_definition(store::Database& database, DefinitionTable const& table,
                                     std::function<Status(DefinitionRow)> const& take);
// conflict, with both revisions, when it is not at the expected one.
[[nodiscard]] Result<WrittenDefinition> write_definition(store::Database& database,
                                                         DefinitionTable const& table,
                                                         DefinitionChange const& change,
                                                         json::value const& body);
// The same; not_found when nothing of that name is stored, conflict when it is built in alone.
[[nodiscard]] Status remove_definition(store::Database& database, DefinitionTable const& table,
                                       DefinitionChange const& change);

}  // namespace drover::worker
