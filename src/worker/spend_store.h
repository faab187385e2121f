#pragma once
// What model calls used and cost, by day and by who asked: one row for each day, tenant, agent,
// session and model. Calls under way are rows of their own, so that what a killed process had
// reserved counts as spent.
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "gateway/ledger.h"
#include "model/messages.h"
#include "store/database.h"
#include "store/migrations.h"

namespace drover::worker {

[[nodiscard]] std::vector<store::Migration> spend_migrations();

// One call, or the sum of several.
struct SpendRow {
  std::string day;
  gateway::Spender spender;  // without the run
  std::string model;
  std::int64_t calls = 1;
  model::Usage usage;
  gateway::Amount amount;  // a call that was cut has an amount and little usage
};

[[nodiscard]] Status open_spend(store::Database& database, std::int64_t id, SpendRow const& row);
// `id` 0: it was not opened.
[[nodiscard]] Status close_spend(store::Database& database, std::int64_t id, SpendRow const& row);
// At the start: nobody can know better any more what calls under way came to.
[[nodiscard]] Status close_all_spend(store::Database& database);

// What close_all_spend() would close, and the highest of their numbers; 0 where there is none.
struct OpenSpend {
  std::vector<SpendRow> rows;
  std::int64_t last_id = 0;
};
[[nodiscard]] Result<OpenSpend> read_open_spend(store::Database& database);

// All sums of day, tenant, agent and session.
[[nodiscard]] Status each_spend(store::Database& database,
                                std::function<void(SpendRow const&)> const& take);

enum class SpendColumn : std::uint8_t { day, tenant, agent, session, model };
inline constexpr std::array<std::string_view, 5> kSpendColumns = {"day", "tenant", "agent",
                                                                  "session", "model"};
struct SpendQuery {
  std::vector<SpendColumn> by;
  std::string since;  // days; empty: no bound. Both are part of it
  std::string until;
  std::string tenant;  // empty: any; likewise below
  std::string agent;
  std::string session;
  std::int64_t rows_max = 1000;
};
// What is not in `by` is empty. The dearest first, where there are days the newest.
[[nodiscard]] Result<std::vector<SpendRow>> read_spend(store::Database& database,
                                                       SpendQuery const& query);

}  // namespace drover::worker
