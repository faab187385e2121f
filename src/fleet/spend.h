#pragma once
// What an agent's runs have used and cost, from their rows. All its runs, not those of one
// instance: which of them served a turn is nobody's to pay for.
#include <cstdint>
#include <map>
#include <string>

#include "base/error.h"
#include "store/database.h"

namespace drover::fleet {

struct AgentSpend {
  std::int64_t runs = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t cost_microdollars = 0;
};
[[nodiscard]] Result<AgentSpend> spend_of(store::Database& database, std::string const& agent);
// Of every agent that has runs.
using SpendByAgent = std::map<std::string, AgentSpend>;
[[nodiscard]] Result<SpendByAgent> spend_of_all(store::Database& database);

}  // namespace drover::fleet
