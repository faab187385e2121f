#include "worker/spend_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "base/json.h"

namespace drover::worker {

namespace {

using gateway::SpendLimit;

Result<std::vector<SpendRow>> read_all(store::Database& database) {
  std::vector<SpendRow> rows;
  DROVER_TRY(each_spend(database, [&rows](SpendRow const& row) { rows.push_back(row); }));
  return rows;
}

std::string text_of(std::vector<SpendLimit> const& limits) {
  json::array array;
  for (SpendLimit const& limit : limits)
    array.push_back(gateway::to_json(limit));
  return json::serialize(array);
}

}  // namespace

std::vector<SpendLimit> SpendBook::effective(std::vector<SpendLimit> const& of_file,
                                             std::vector<SpendLimit> const& of_api) const {
  std::vector<SpendLimit> all = of_file;
  for (SpendLimit const& limit : of_api) {
    bool const said = std::ranges::any_of(of_file, [&](SpendLimit const& other) {
      return other.scope == limit.scope && other.period == limit.period && other.name == limit.name;
    });
    if (!said) all.push_back(limit);
  }
  return all;
}

void SpendBook::apply(std::vector<SpendRow> const& stored) {
  ledger_.set_limits(effective(of_file_, of_api_));
  ledger_.forget_spent();
  for (SpendRow const& row : stored)
    ledger_.add(row.day, row.spender, row.amount);
  for (SpendRow const& row : left_open_)
    ledger_.add(row.day, row.spender, row.amount);
  for (auto const& [number, row] : unstored_)
    ledger_.add(row.day, row.spender, row.amount);
}

Status SpendBook::load(std::vector<SpendLimit> of_file) {
  of_file_ = std::move(of_file);
  auto stored = read(Unclosed::close);
  // On a full disk they stay open, and count all the same, until a later start.
  if (!stored && stored.error().code == ErrorCode::no_space) stored = read(Unclosed::keep);
  if (!stored) return std::unexpected(stored.error());
  apply(*stored);
  return {};
}

Result<std::vector<SpendRow>> SpendBook::read(Unclosed unclosed) {
  return writer_.run_blocking(
      [this, unclosed](store::Transaction& transaction) -> Result<std::vector<SpendRow>> {
        if (unclosed == Unclosed::close) {
          DROVER_TRY(close_all_spend(transaction.db()));
        } else {
          auto open = read_open_spend(transaction.db());
          if (!open) return std::unexpected(open.error());
          next_id_ = open->last_id + 1;
          left_open_ = std::move(open->rows);
        }
        auto row = transaction.db().query("SELECT body, revision FROM spend_limits");
        if (!row) return std::unexpected(row.error());
        auto const there = row->step();
        if (!there) return std::unexpected(there.error());
        if (*there) {
          auto const value = parse_json(row->text(0));
          auto limits =
              value ? gateway::parse_spend_limits(*value) : std::unexpected(value.error());
          if (!limits)
            return fail(ErrorCode::data_corrupt, "the stored budgets cannot be read: {}",
                        limits.error().message);
          of_api_ = *std::move(limits);
          revision_ = row->integer(1);
        }
        return read_all(transaction.db());
      });
}

Task<Status> SpendBook::set_file_limits(std::vector<SpendLimit> of_file) {
  if (of_file == of_file_) co_return Status{};
  // By the writer: what it has not committed yet is what unstored_ has.
  auto stored = co_await writer_.run(
      [](store::Transaction& transaction) { return read_all(transaction.db()); });
  if (!stored) co_return std::unexpected(stored.error());
  of_file_ = std::move(of_file);
  apply(*stored);
  co_return Status{};
}

Task<Status> SpendBook::put(std::vector<SpendLimit> limits,
                            std::optional<std::int64_t> expected_revision) {
  if (expected_revision && *expected_revision != revision_)
    co_return fail_next(
        ErrorCode::conflict,
        fmt::format("the budgets are at revision {}, not {}", revision_, *expected_revision),
        "read them again, and repeat the change on what is there now");
  std::int64_t const revision = revision_ + 1;
  auto stored = co_await writer_.run(
      [limits, revision](store::Transaction& transaction) -> Result<std::vector<SpendRow>> {
        DROVER_TRY(transaction.db().run(
            "INSERT INTO spend_limits(id, body, revision) VALUES(1,?1,?2)"
            " ON CONFLICT(id) DO UPDATE SET body=?1, revision=?2 WHERE revision=?2-1",
            text_of(limits), revision));
        if (transaction.db().changes() == 0)
          return fail(ErrorCode::conflict, "the budgets were changed meanwhile");
        return read_all(transaction.db());
      });
  if (!stored) co_return std::unexpected(stored.error());
  of_api_ = std::move(limits);
  revision_ = revision;
  apply(*stored);
  co_return Status{};
}

Result<SpendBook::Opening> SpendBook::reserve(gateway::Spender spender, std::string model,
                                              gateway::Estimate const& estimate,
                                              gateway::Amount run_spent) {
  Opening opening;
  opening.row.day = gateway::day_of(clock_.now());
  opening.row.spender = std::move(spender);
  opening.row.model = std::move(model);
  opening.row.amount = estimate.amount;
  ledger_.know_run(opening.row.spender.run, run_spent);
  DROVER_TRY(ledger_.reserve(opening.row.day, opening.row.spender, estimate));
  // What costs nothing, and whose tokens nobody limits, need not survive.
  if (estimate.amount.microdollars > 0 || ledger_.limits_tokens()) opening.id = next_id_++;
  return opening;
}

void SpendBook::settle(Opening const& opening, SpendRow const& actual) {
  ledger_.settle(opening.row.day, opening.row.spender, opening.row.amount, actual.amount);
  if (opening.id != 0) unstored_.emplace(opening.id, actual);
}

Status SpendBook::opened(store::Transaction& transaction, Opening const& opening) {
  return open_spend(transaction.db(), opening.id, opening.row);
}

Status SpendBook::closed(store::Transaction& transaction, Opening const& opening,
                         SpendRow const& actual) {
  DROVER_TRY(close_spend(transaction.db(), opening.id, actual));
  transaction.on_commit([this, id = opening.id] { unstored_.erase(id); });
  return {};
}

}  // namespace drover::worker
