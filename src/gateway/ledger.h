#pragma once
// What tenants, agents and sessions may spend, by day, month or at all, and what they have spent:
// in money and in tokens. Pure; used on the event loop only. Who keeps it on disk says what was
// spent before.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "gateway/account.h"

namespace drover::gateway {

enum class SpendScope : std::uint8_t { all, tenant, agent, session, run };
enum class SpendPeriod : std::uint8_t { day, month, total };
[[nodiscard]] std::string_view to_string(SpendScope scope);
[[nodiscard]] std::string_view to_string(SpendPeriod period);

struct SpendLimit {
  SpendScope scope = SpendScope::all;
  std::string name;  // of one; empty: of each, which one that is named goes before
  SpendPeriod period = SpendPeriod::day;
  std::optional<std::int64_t> microdollars;
  std::optional<std::int64_t> tokens;
  friend bool operator==(SpendLimit const&, SpendLimit const&) = default;
};

inline constexpr std::size_t kSpendLimitsMax = 10'000;

// An array of {"scope","name"?,"per"?,"usd"?,"tokens"?}. The error names the JSON pointer below
// `pointer`.
[[nodiscard]] Result<std::vector<SpendLimit>> parse_spend_limits(json::value const& value,
                                                                 std::string_view pointer = "");
[[nodiscard]] json::object to_json(SpendLimit const& limit);

struct Spender {
  std::string tenant;
  std::string agent;
  std::string session;
  std::string run;
  [[nodiscard]] std::string_view name_in(SpendScope scope) const;
};

// "2026-11-21", in UTC.
[[nodiscard]] std::string day_of(WallTime time);

class Ledger {
 public:
  // Limits hold at once, also for what is reserved. What accounts have spent is kept, but only
  // those that a limit concerns are: after it, add() what the store has.
  void set_limits(std::vector<SpendLimit> limits);
  [[nodiscard]] std::vector<SpendLimit> const& limits() const { return limits_; }
  [[nodiscard]] bool limits_tokens() const;
  // Forgets what was spent, for it is read anew. What is reserved stays.
  void forget_spent();
  // What was spent on `day`.
  void add(std::string_view day, Spender const& spender, Amount spent);

  // What a run has spent so far, where a limit concerns runs and this one is not known: the store
  // does not say it.
  void know_run(std::string const& run, Amount spent);

  // budget_exhausted, naming the limit, when nothing is left for another call; invalid_argument
  // where a limit in dollars concerns it and its price is not known.
  [[nodiscard]] Status reserve(std::string_view day, Spender const& spender,
                               Estimate const& estimate);
  // Of the same day as its reservation.
  void settle(std::string_view day, Spender const& spender, Amount estimate, Amount actual);

  struct Account {
    Amount spent;
    Amount reserved;
  };
  // All that a limit of each is of, by name; of one that names somebody, that one.
  [[nodiscard]] std::vector<std::pair<std::string, Account>> accounts(SpendLimit const& limit,
                                                                      std::string_view day) const;
  // Of the one that `limit` is of, or where it is of each, of `name`.
  [[nodiscard]] Account account(SpendLimit const& limit, std::string_view name,
                                std::string_view day) const;

 private:
  using Key = std::tuple<SpendScope, SpendPeriod, std::string, std::string>;  // name, period's name
  [[nodiscard]] std::vector<SpendLimit const*> limits_on(Spender const& spender) const;
  template <class Change>
  void change(std::string_view day, Spender const& spender, Change const& change);
  void forget_old(std::string_view day);

  std::vector<SpendLimit> limits_;
  std::map<Key, Account> accounts_;
  std::string newest_day_;
};

}  // namespace drover::gateway
