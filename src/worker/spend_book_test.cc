#include "worker/spend_book.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include "store/scratch.h"

namespace drover::worker {
namespace {

using gateway::Amount;
using gateway::Estimate;

gateway::SpendLimit of_tenant(std::int64_t microdollars) {
  gateway::SpendLimit limit;
  limit.scope = gateway::SpendScope::tenant;
  limit.microdollars = microdollars;
  return limit;
}

struct Open {
  explicit Open(store::Scratch const& scratch)
      : writer(migrated(scratch), loop.get_executor()), book(writer, clock) {}
  static store::Database migrated(store::Scratch const& scratch) {
    auto database = scratch.open();
    EXPECT_TRUE(store::migrate(database, spend_migrations()));
    return database;
  }
  Result<SpendBook::Opening> reserve(Amount amount) {
    return book.reserve({"acme", "coder", "ses-1", "run-1"}, "m", Estimate{amount, true}, {});
  }
  Status open(SpendBook::Opening const& opening) {
    return store::finish(loop, writer.run([this, opening](store::Transaction& transaction) {
      return book.opened(transaction, opening);
    }));
  }
  Status close(SpendBook::Opening const& opening, Amount amount) {
    SpendRow actual = opening.row;
    actual.amount = amount;
    actual.usage.input = amount.tokens;
    book.settle(opening, actual);
    return store::finish(loop, writer.run([this, opening, actual](store::Transaction& transaction) {
      return book.closed(transaction, opening, actual);
    }));
  }
  Amount spent() {
    return book.ledger().account(of_tenant(0), "acme", gateway::day_of(clock.now())).spent;
  }
  Status put(std::vector<gateway::SpendLimit> limits, std::optional<std::int64_t> revision = {}) {
    return store::finish(loop, book.put(std::move(limits), revision));
  }

  boost::asio::io_context loop;
  SystemClock clock;
  store::Writer writer;
  SpendBook book;
};

TEST(SpendBook, WhatAKilledServerHadReservedIsSpent) {
  store::Scratch scratch;
  {
    Open open{scratch};
    ASSERT_TRUE(open.book.load({of_tenant(1000)}));
    auto const closed = open.reserve({400, 40});
    ASSERT_TRUE(closed);
    ASSERT_TRUE(open.open(*closed));
    ASSERT_TRUE(open.close(*closed, {100, 10}));
    auto const cut = open.reserve({300, 30});
    ASSERT_TRUE(cut);
    ASSERT_TRUE(open.open(*cut));
  }
  Open open{scratch};
  ASSERT_TRUE(open.book.load({of_tenant(1000)}));
  EXPECT_EQ(open.spent(), (Amount{400, 40}));
  auto reader = scratch.open(store::OpenMode::reader);
  SpendQuery query;
  query.by = {SpendColumn::tenant, SpendColumn::model};
  auto const rows = read_spend(reader, query);
  ASSERT_TRUE(rows) << rows.error().text();
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ(rows->front().spender.tenant, "acme");
  EXPECT_EQ(rows->front().model, "m");
  EXPECT_EQ(rows->front().calls, 2);
  EXPECT_EQ(rows->front().amount, (Amount{400, 40}));
}

TEST(SpendBook, ALimitThatComesLaterCountsWhatWasSpentBefore) {
  store::Scratch scratch;
  Open open{scratch};
  ASSERT_TRUE(open.book.load({}));
  auto const first = open.reserve({600, 0});
  ASSERT_TRUE(first) << "nothing is limited";
  ASSERT_TRUE(open.open(*first));
  ASSERT_TRUE(open.close(*first, {600, 0}));
  ASSERT_TRUE(open.put({of_tenant(500)}));
  auto const refused = open.reserve({1, 0});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::budget_exhausted);
  ASSERT_TRUE(open.put({of_tenant(700)}, 1));
  EXPECT_TRUE(open.reserve({1, 0}));
  auto const stale = open.put({}, 1);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, ErrorCode::conflict);
}

TEST(SpendBook, TheFileGoesBeforeTheApiAndBothOutliveTheServer) {
  store::Scratch scratch;
  {
    Open open{scratch};
    ASSERT_TRUE(open.book.load({}));
    ASSERT_TRUE(open.put({of_tenant(5)}));
  }
  Open open{scratch};
  ASSERT_TRUE(open.book.load({}));
  EXPECT_EQ(open.book.ledger().limits(), std::vector{of_tenant(5)});
  EXPECT_EQ(open.book.revision(), 1);
  ASSERT_TRUE(store::finish(open.loop, open.book.set_file_limits({of_tenant(9)})));
  EXPECT_EQ(open.book.ledger().limits(), std::vector{of_tenant(9)});
}

}  // namespace
}  // namespace drover::worker
