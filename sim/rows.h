#pragma once
// Reading the store while it is inspected: no fault strikes then, and one would be a failure of the
// simulation itself.
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "store/database.h"

namespace drover::sim {

[[nodiscard]] store::Statement query(store::Database& database, std::string_view sql,
                                     auto const&... values) {
  auto rows = database.query(sql, values...);
  if (!rows) throw std::runtime_error(rows.error().text());
  return std::move(*rows);
}

// True while there is a row.
[[nodiscard]] inline bool step(store::Statement& rows) {
  auto const row = rows.step();
  if (!row) throw std::runtime_error(row.error().text());
  return *row;
}

[[nodiscard]] std::int64_t one_integer(store::Database& database, std::string_view sql,
                                       auto const&... values) {
  auto rows = query(database, sql, values...);
  return step(rows) ? rows.integer(0) : -1;
}

}  // namespace drover::sim
