#include "fleet/spend.h"

namespace drover::fleet {

Result<AgentSpend> spend_of(store::Database& database, std::string const& agent) {
  auto rows = database.query(
      "SELECT count(*), coalesce(sum(usage ->> '$.input'), 0),"
      " coalesce(sum(usage ->> '$.output'), 0), coalesce(sum(cost_micro), 0)"
      " FROM runs WHERE agent=?1",
      agent);
  if (!rows) return std::unexpected(rows.error());
  auto const there = rows->step();
  if (!there) return std::unexpected(there.error());
  AgentSpend spend;
  spend.runs = rows->integer(0);
  spend.input_tokens = rows->integer(1);
  spend.output_tokens = rows->integer(2);
  spend.cost_microdollars = rows->integer(3);
  return spend;
}

}  // namespace drover::fleet
