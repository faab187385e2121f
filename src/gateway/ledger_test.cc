#include "gateway/ledger.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/random.h"

namespace drover::gateway {
namespace {

constexpr std::string_view kDay = "2026-11-21";
Spender const kSpender{"acme", "coder", "ses-1", "run-1"};

Estimate estimate(std::int64_t microdollars, std::int64_t tokens = 0) {
  return {{microdollars, tokens}, true};
}

std::vector<SpendLimit> limits(std::string_view text) {
  auto parsed = parse_spend_limits(json::parse(text));
  EXPECT_TRUE(parsed) << parsed.error().text();
  return parsed ? *std::move(parsed) : std::vector<SpendLimit>{};
}

TEST(Ledger, EachScopeAndPeriodHoldsForItself) {
  for (std::string_view const text :
       {R"([{"usd":1}])", R"([{"scope":"tenant","name":"acme","usd":1}])",
        R"([{"scope":"tenant","usd":1}])", R"([{"scope":"agent","usd":1,"per":"month"}])",
        R"([{"scope":"session","usd":1,"per":"total"}])", R"([{"scope":"run","usd":1}])"}) {
    Ledger ledger;
    ledger.set_limits(limits(text));
    ASSERT_TRUE(ledger.reserve(kDay, kSpender, estimate(10))) << text;
    ledger.settle(kDay, kSpender, {10, 0}, {1'000'000, 0});
    auto const refused = ledger.reserve(kDay, kSpender, estimate(10));
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::budget_exhausted);
    EXPECT_NE(refused.error().message.find("$1.0000"), std::string::npos);
    Spender const other{"beta", "other", "ses-2", "run-2"};
    EXPECT_EQ(ledger.reserve(kDay, other, estimate(10)).has_value(), text != R"([{"usd":1}])")
        << text;
  }
}

TEST(Ledger, ADayEndsAndAMonthGoesOn) {
  Ledger ledger;
  ledger.set_limits(limits(R"([{"scope":"tenant","usd":1},
                               {"scope":"tenant","usd":2,"per":"month"}])"));
  ledger.add(kDay, kSpender, {1'000'000, 0});
  EXPECT_FALSE(ledger.reserve(kDay, kSpender, estimate(1)));
  ASSERT_TRUE(ledger.reserve("2026-11-22", kSpender, estimate(1)));
  ledger.settle("2026-11-22", kSpender, {1, 0}, {1'000'000, 0});
  EXPECT_FALSE(ledger.reserve("2026-11-23", kSpender, estimate(1))) << "the month is used up";
  EXPECT_TRUE(ledger.reserve("2026-12-01", kSpender, estimate(1)));
}

TEST(Ledger, WhoIsNamedHasItsOwnLimit) {
  Ledger ledger;
  ledger.set_limits(limits(R"([{"scope":"tenant","name":"*","usd":0},
                               {"scope":"tenant","name":"acme","usd":5}])"));
  EXPECT_TRUE(ledger.reserve(kDay, kSpender, estimate(1)));
  EXPECT_FALSE(ledger.reserve(kDay, {"beta", "a", "s", "r"}, estimate(1)));
}

TEST(Ledger, TokensAreLimitedToo) {
  Ledger ledger;
  ledger.set_limits(limits(R"([{"scope":"session","per":"total","tokens":100}])"));
  ASSERT_TRUE(ledger.reserve(kDay, kSpender, estimate(0, 100)));
  EXPECT_FALSE(ledger.reserve(kDay, kSpender, estimate(0, 1))) << "what is reserved counts";
  ledger.settle(kDay, kSpender, {0, 100}, {0, 40});
  EXPECT_TRUE(ledger.reserve(kDay, kSpender, estimate(0, 100)));
}

TEST(Ledger, ALimitInDollarsNeedsAPrice) {
  Ledger ledger;
  ledger.set_limits(limits(R"([{"scope":"tenant","name":"acme","usd":5}])"));
  auto const refused = ledger.reserve(kDay, kSpender, {{0, 5}, false});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(ledger.reserve(kDay, {"beta", "a", "s", "r"}, {{0, 5}, false}));
}

TEST(Ledger, WhatDoesNotFitIsNamed) {
  for (auto const& [text, names] : {std::pair{R"([{"scope":"planet","usd":1}])", "/0/scope"},
                                    {R"([{"scope":"tenant"}])", "/0/usd"},
                                    {R"([{"usd":-1}])", "/0/usd"},
                                    {R"([{"name":"x","usd":1}])", "/0/name"},
                                    {R"([{"usd":1},{"usd":2}])", "/1"},
                                    {R"([{"scope":"run","per":"day","usd":1}])", "/0/per"},
                                    {R"([{"usd":1,"eur":1}])", "/0/eur"},
                                    {R"([{"tokens":-5}])", "/0/tokens"},
                                    {R"({})", "array"}}) {
    auto const parsed = parse_spend_limits(json::parse(text));
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find(names), std::string::npos) << parsed.error().message;
  }
}

// Over random histories of parallel calls: what is spent passes a limit by one call at the most,
// and once all have ended nothing is reserved.
TEST(Ledger, TheOvershootIsOneCallInAnyHistory) {
  constexpr std::int64_t kMost = 300;  // of one call
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SeededRandom random{seed};
    Ledger ledger;
    SpendLimit limit;
    limit.scope = SpendScope::tenant;
    limit.microdollars = 2000;
    limit.tokens = 3000;
    ledger.set_limits({limit});
    std::vector<Amount> open;
    Amount spent;
    for (int step = 0; step < 200; ++step) {
      if (random.below(2) == 0) {
        Amount const amount{static_cast<std::int64_t>(random.below(kMost)),
                            static_cast<std::int64_t>(random.below(kMost))};
        Spender const spender{"acme", "a", "s" + std::to_string(random.below(3)), "r"};
        if (ledger.reserve(kDay, spender, {amount, true})) open.push_back(amount);
      } else if (!open.empty()) {
        auto const at = open.begin() + static_cast<std::ptrdiff_t>(random.below(open.size()));
        Amount actual = *at;
        if (random.below(2) == 0) actual = {actual.microdollars / 2, actual.tokens / 2};
        ledger.settle(kDay, kSpender, *at, actual);
        spent += actual;
        open.erase(at);
      }
      Ledger::Account const account = ledger.account(limit, "acme", kDay);
      ASSERT_EQ(account.spent, spent) << seed;
      ASSERT_LE(account.spent.microdollars + account.reserved.microdollars, 2000 + kMost) << seed;
      ASSERT_LE(account.spent.tokens + account.reserved.tokens, 3000 + kMost) << seed;
    }
    for (Amount const& amount : open)
      ledger.settle(kDay, kSpender, amount, amount);
    EXPECT_EQ(ledger.account(limit, "acme", kDay).reserved, Amount{}) << seed;
  }
}

}  // namespace
}  // namespace drover::gateway
