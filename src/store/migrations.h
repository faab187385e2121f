#pragma once
// The schema's history: numbered scripts, each contributed by the domain whose tables it makes.
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/database.h"

namespace drover::store {

struct Migration {
  std::string_view domain;  // "broker"; versions count from 1 within it, without a gap
  int version = 0;
  std::string_view name;  // what it does, for the table of what was applied
  std::string_view sql;   // statements separated by ';', without BEGIN and COMMIT
};

// Applies what is missing, in the order given, in one transaction: all or nothing. Applying twice
// changes nothing. conflict, and nothing changed, when the file has a version that `all` does not
// know: it was written by a newer drover.
[[nodiscard]] Status migrate(Database& database, std::span<Migration const> all);

// The newest version of each domain.
using SchemaVersions = std::map<std::string, int, std::less<>>;
[[nodiscard]] SchemaVersions known_versions(std::span<Migration const> all);
// What has been applied to the file.
[[nodiscard]] Result<SchemaVersions> applied_versions(Database& database);
// conflict, naming `subject`, when it has a version that is not known.
[[nodiscard]] Status refuse_newer(std::string_view subject, SchemaVersions const& applied,
                                  SchemaVersions const& known);

}  // namespace drover::store
