#include "gateway/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "gateway/budget.h"

namespace drover::gateway {

namespace {

constexpr std::array<std::string_view, 5> kScopes = {"all", "tenant", "agent", "session", "run"};
constexpr std::array<std::string_view, 3> kPeriods = {"day", "month", "total"};
constexpr std::array kAllPeriods = {SpendPeriod::day, SpendPeriod::month, SpendPeriod::total};
constexpr std::array kAllScopes = {SpendScope::all, SpendScope::tenant, SpendScope::agent,
                                   SpendScope::session, SpendScope::run};
constexpr double kUsdMax = 1e9;
constexpr std::int64_t kTokensMax = 1'000'000'000'000'000;

// "2026-11-21" is in "2026-11".
std::string name_of(SpendPeriod period, std::string_view day) {
  if (period == SpendPeriod::day) return std::string{day};
  if (period == SpendPeriod::month) return std::string{day.substr(0, 7)};
  return {};
}

std::string what_of(SpendLimit const& limit, std::string_view name) {
  std::string text = limit.scope == SpendScope::all
                         ? std::string{"the server"}
                         : fmt::format("the {} {}", to_string(limit.scope), printable(name, 80));
  if (limit.period != SpendPeriod::total) text += fmt::format(" for a {}", to_string(limit.period));
  return text;
}

template <class Value, std::size_t size>
Result<Value> word_of(JsonObject const& object, std::string_view key,
                      std::array<std::string_view, size> const& words, Value usual) {
  auto const text = object.optional_string(key);
  if (!text) return std::unexpected(text.error());
  if (!*text) return usual;
  auto const* const found = std::ranges::find(words, std::string_view{**text});
  if (found == words.end())
    return fail(ErrorCode::invalid_argument, "{}: expected one of {}", object.pointer_to(key),
                fmt::join(words, ", "));
  return static_cast<Value>(found - words.begin());
}

Result<SpendLimit> limit_of(JsonObject const& object) {
  for (auto const& member : object.raw())
    if (std::string_view const key = member.key();
        key != "scope" && key != "name" && key != "per" && key != "usd" && key != "tokens")
      return fail(ErrorCode::invalid_argument,
                  "{}: there is no such member; known are scope, name, per, usd, tokens",
                  object.pointer_to(key));
  SpendLimit limit;
  auto const scope = word_of(object, "scope", kScopes, SpendScope::all);
  if (!scope) return std::unexpected(scope.error());
  limit.scope = *scope;
  auto const per = word_of(object, "per", kPeriods,
                           limit.scope == SpendScope::run ? SpendPeriod::total : SpendPeriod::day);
  if (!per) return std::unexpected(per.error());
  limit.period = *per;
  if (limit.scope == SpendScope::run && limit.period != SpendPeriod::total)
    return fail(ErrorCode::invalid_argument, "{}: a run has one budget, total",
                object.pointer_to("per"));
  auto name = object.optional_string("name");
  if (!name) return std::unexpected(name.error());
  limit.name = std::move(*name).value_or("");
  if (limit.name == "*") limit.name.clear();
  if (limit.scope == SpendScope::all && !limit.name.empty())
    return fail(ErrorCode::invalid_argument, "{}: there is one server; name no one",
                object.pointer_to("name"));
  auto const usd = object.optional_number("usd");
  if (!usd) return std::unexpected(usd.error());
  if (*usd && !(**usd >= 0.0 && **usd <= kUsdMax))
    return fail(ErrorCode::invalid_argument, "{}: expected US dollars from 0 to {}",
                object.pointer_to("usd"), kUsdMax);
  if (*usd) limit.microdollars = std::llround(**usd * 1e6);
  auto const tokens = object.optional_integer("tokens");
  if (!tokens) return std::unexpected(tokens.error());
  if (*tokens && (**tokens < 0 || **tokens > kTokensMax))
    return fail(ErrorCode::invalid_argument, "{}: expected an integer from 0 to {}",
                object.pointer_to("tokens"), kTokensMax);
  limit.tokens = *tokens;
  if (!limit.microdollars && !limit.tokens)
    return fail(ErrorCode::invalid_argument, "{}: expected usd, tokens, or both",
                object.pointer_to("usd"));
  return limit;
}

}  // namespace

std::string_view to_string(SpendScope scope) {
  return kScopes[static_cast<std::size_t>(scope)];
}

std::string_view to_string(SpendPeriod period) {
  return kPeriods[static_cast<std::size_t>(period)];
}

std::string_view Spender::name_in(SpendScope scope) const {
  switch (scope) {
    case SpendScope::all:
      return {};
    case SpendScope::tenant:
      return tenant;
    case SpendScope::agent:
      return agent;
    case SpendScope::session:
      return session;
    case SpendScope::run:
      return run;
  }
  return {};
}

std::string day_of(WallTime time) {
  return to_rfc3339(time).substr(0, 10);
}

Result<std::vector<SpendLimit>> parse_spend_limits(json::value const& value,
                                                   std::string_view pointer) {
  if (!value.is_array())
    return fail(ErrorCode::invalid_argument, "{}: expected an array of limits", pointer);
  if (value.get_array().size() > kSpendLimitsMax)
    return fail(ErrorCode::invalid_argument, "{}: at most {} limits", pointer, kSpendLimitsMax);
  std::vector<SpendLimit> limits;
  std::set<std::tuple<SpendScope, SpendPeriod, std::string>> seen;
  for (std::size_t i = 0; i < value.get_array().size(); ++i) {
    auto const object = JsonObject::of(value.get_array()[i], fmt::format("{}/{}", pointer, i));
    if (!object) return std::unexpected(object.error());
    auto limit = limit_of(*object);
    if (!limit) return std::unexpected(limit.error());
    if (!seen.emplace(limit->scope, limit->period, limit->name).second)
      return fail(ErrorCode::invalid_argument, "{}/{}: the same is limited before", pointer, i);
    limits.push_back(*std::move(limit));
  }
  return limits;
}

json::object to_json(SpendLimit const& limit) {
  json::object out;
  out["scope"] = json::string{to_string(limit.scope)};
  if (!limit.name.empty()) out["name"] = json::string{limit.name};
  out["per"] = json::string{to_string(limit.period)};
  if (limit.microdollars) out["usd"] = static_cast<double>(*limit.microdollars) / 1e6;
  if (limit.tokens) out["tokens"] = *limit.tokens;
  return out;
}

void Ledger::set_limits(std::vector<SpendLimit> limits) {
  limits_ = std::move(limits);
}

bool Ledger::limits_tokens() const {
  return std::ranges::any_of(limits_,
                             [](SpendLimit const& limit) { return limit.tokens.has_value(); });
}

void Ledger::forget_spent() {
  for (auto& [key, account] : accounts_)
    if (std::get<SpendScope>(key) != SpendScope::run) account.spent = {};
  std::erase_if(accounts_, [](auto const& item) { return item.second.reserved == Amount{}; });
}

// Days and months that are over are not asked for again.
void Ledger::forget_old(std::string_view day) {
  if (day <= newest_day_) return;
  newest_day_ = day;
  std::erase_if(accounts_, [&](auto const& item) {
    auto const& [scope, period, name, period_name] = item.first;
    bool const over = scope == SpendScope::run || period_name != name_of(period, day);
    return item.second.reserved == Amount{} && over;
  });
}

template <class Change>
void Ledger::change(std::string_view day, Spender const& spender, Change const& change) {
  for (SpendScope const scope : kAllScopes)
    for (SpendPeriod const period : kAllPeriods) {
      bool const concerns = std::ranges::any_of(limits_, [&](SpendLimit const& limit) {
        return limit.scope == scope && limit.period == period;
      });
      Key key{scope, period, std::string{spender.name_in(scope)}, name_of(period, day)};
      // What was reserved while a limit held is given back when it does not.
      if (concerns) {
        change(accounts_[std::move(key)]);
      } else if (auto const found = accounts_.find(key); found != accounts_.end()) {
        change(found->second);
      }
    }
}

void Ledger::add(std::string_view day, Spender const& spender, Amount spent) {
  forget_old(day);
  change(day, spender, [&](Account& account) { account.spent += spent; });
}

void Ledger::know_run(std::string const& run, Amount spent) {
  bool const concerns = std::ranges::any_of(
      limits_, [](SpendLimit const& limit) { return limit.scope == SpendScope::run; });
  if (!concerns) return;
  Key key{SpendScope::run, SpendPeriod::total, run, {}};
  accounts_.try_emplace(std::move(key), Account{spent, {}});
}

std::vector<SpendLimit const*> Ledger::limits_on(Spender const& spender) const {
  std::vector<SpendLimit const*> found;
  for (SpendLimit const& limit : limits_) {
    bool const one = limit.name == spender.name_in(limit.scope);
    bool const of_each = limit.name.empty();
    if (!one && !of_each) continue;
    bool const named = of_each && std::ranges::any_of(limits_, [&](SpendLimit const& other) {
                         return other.scope == limit.scope && other.period == limit.period &&
                                !other.name.empty() && other.name == spender.name_in(limit.scope);
                       });
    if (!named) found.push_back(&limit);
  }
  return found;
}

Ledger::Account Ledger::account(SpendLimit const& limit, std::string_view name,
                                std::string_view day) const {
  Key const key{limit.scope, limit.period, limit.name.empty() ? std::string{name} : limit.name,
                name_of(limit.period, day)};
  auto const found = accounts_.find(key);
  return found == accounts_.end() ? Account{} : found->second;
}

std::vector<std::pair<std::string, Ledger::Account>> Ledger::accounts(SpendLimit const& limit,
                                                                      std::string_view day) const {
  std::vector<std::pair<std::string, Account>> found;
  if (!limit.name.empty() || limit.scope == SpendScope::all) {
    found.emplace_back(limit.name, account(limit, limit.name, day));
    return found;
  }
  std::string const period = name_of(limit.period, day);
  for (auto const& [key, account] : accounts_) {
    auto const& [scope, of_period, name, period_name] = key;
    if (scope == limit.scope && of_period == limit.period && period_name == period)
      found.emplace_back(name, account);
  }
  return found;
}

Status Ledger::reserve(std::string_view day, Spender const& spender, Estimate const& estimate) {
  forget_old(day);
  for (SpendLimit const* limit : limits_on(spender)) {
    std::string_view const name = spender.name_in(limit->scope);
    Account const account = this->account(*limit, name, day);
    if (limit->microdollars && !estimate.priced)
      return fail_next(ErrorCode::invalid_argument,
                       fmt::format("no price is known for this model, so that the budget of {} "
                                   "cannot be held",
                                   what_of(*limit, name)),
                       "give its price in prices.toml");
    if (limit->microdollars &&
        account.spent.microdollars + account.reserved.microdollars >= *limit->microdollars)
      return fail(ErrorCode::budget_exhausted,
                  "the budget of {} of {} does not allow another model call: {} spent, {} "
                  "reserved by calls in flight",
                  format_dollars(*limit->microdollars), what_of(*limit, name),
                  format_dollars(account.spent.microdollars),
                  format_dollars(account.reserved.microdollars));
    if (limit->tokens && account.spent.tokens + account.reserved.tokens >= *limit->tokens)
      return fail(ErrorCode::budget_exhausted,
                  "the budget of {} tokens of {} does not allow another model call: {} spent, {} "
                  "reserved by calls in flight",
                  *limit->tokens, what_of(*limit, name), account.spent.tokens,
                  account.reserved.tokens);
  }
  change(day, spender, [&](Account& account) { account.reserved += estimate.amount; });
  return {};
}

void Ledger::settle(std::string_view day, Spender const& spender, Amount estimate, Amount actual) {
  change(day, spender, [&](Account& account) {
    // Limits that came after the reservation have an account without it.
    account.reserved.microdollars =
        std::max<std::int64_t>(account.reserved.microdollars - estimate.microdollars, 0);
    account.reserved.tokens = std::max<std::int64_t>(account.reserved.tokens - estimate.tokens, 0);
    account.spent += actual;
  });
}

}  // namespace drover::gateway
