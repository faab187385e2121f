#pragma once
// Standing approvals: a person has said that a breakpoint is answered with yes from now on. Rows,
// and which of them fits a question. Plain functions on a connection.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "base/time.h"
#include "driver/breakpoints.h"
#include "store/database.h"
#include "store/migrations.h"

namespace drover::driver {

inline constexpr std::int64_t kRulesMax = 1000;

struct BreakpointRule {
  std::string id{};
  std::string breakpoint{};  // its id; with a * at the end all that begin so
  std::string process{};     // of this process alone; empty: of any
  std::string response{};    // one of the options, where the breakpoint has some
  std::string comment{};
  std::string actor{};  // who says to have made it: "user:ann"
  WallTime created_at{};
};

[[nodiscard]] store::Migration rule_migration();

// {breakpoint, process?, response?, comment?}. invalid_argument with the pointer of what is wrong.
[[nodiscard]] Result<BreakpointRule> parse_rule(std::string_view text);
[[nodiscard]] json::object to_json(BreakpointRule const& rule);

// Whether it answers the question, asked by this process. A question with options is answered by a
// rule that names one of them. Pure.
[[nodiscard]] bool answers(BreakpointRule const& rule, Question const& question,
                           std::string_view process);
[[nodiscard]] Verdict verdict_of(BreakpointRule const& rule);

// too_large: there are kRulesMax already.
[[nodiscard]] Status insert_rule(store::Database& database, BreakpointRule const& rule);
// not_found.
[[nodiscard]] Status remove_rule(store::Database& database, std::string const& id);
// The oldest first.
[[nodiscard]] Result<std::vector<BreakpointRule>> list_rules(store::Database& database);
// The oldest that answers it.
[[nodiscard]] Result<std::optional<BreakpointRule>> rule_for(store::Database& database,
                                                             Question const& question,
                                                             std::string_view process);

}  // namespace drover::driver
