#include "fleet/spend.h"

#include <fmt/format.h>

#include <string_view>

namespace drover::fleet {

namespace {

constexpr std::string_view kSums =
    "count(*), coalesce(sum(usage ->> '$.input'), 0), coalesce(sum(usage ->> '$.output'), 0),"
    " coalesce(sum(cost_micro), 0)";

AgentSpend read_sums(store::Statement const& rows, int first) {
  AgentSpend spend;
  spend.runs = rows.integer(first);
  spend.input_tokens = rows.integer(first + 1);
  spend.output_tokens = rows.integer(first + 2);
  spend.cost_microdollars = rows.integer(first + 3);
  return spend;
}

}  // namespace

Result<AgentSpend> spend_of(store::Database& database, std::string const& agent) {
  auto rows = database.query(fmt::format("SELECT {} FROM runs WHERE agent=?1", kSums), agent);
  if (!rows) return std::unexpected(rows.error());
  auto const there = rows->step();
  if (!there) return std::unexpected(there.error());
  return read_sums(*rows, 0);
}

Result<SpendByAgent> spend_of_all(store::Database& database) {
  auto rows = database.query(fmt::format("SELECT agent, {} FROM runs GROUP BY agent", kSums));
  if (!rows) return std::unexpected(rows.error());
  SpendByAgent all;
  for (;;) {
    auto const there = rows->step();
    if (!there) return std::unexpected(there.error());
    if (!*there) return all;
    all.emplace(std::string{rows->text(0)}, read_sums(*rows, 1));
  }
}

}  // namespace drover::fleet
