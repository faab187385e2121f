#include "driver/breakpoint_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::driver {

namespace {

constexpr std::size_t kTextBytesMax = 4096;
constexpr std::string_view kTable = R"sql(
CREATE TABLE breakpoint_rules(
  id TEXT PRIMARY KEY,
  breakpoint TEXT NOT NULL,
  process TEXT NOT NULL,
  response TEXT NOT NULL,
  comment TEXT NOT NULL,
  actor TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID
)sql";

Status read_text(JsonObject const& object, std::string_view key, std::string& into) {
  auto text = object.optional_string(key);
  if (!text) return std::unexpected(text.error());
  into = std::move(*text).value_or("");
  if (into.size() > kTextBytesMax)
    return fail(ErrorCode::too_large, "/{}: at most {} bytes, not {}", key, kTextBytesMax,
                into.size());
  return {};
}

}  // namespace

store::Migration rule_migration() {
  return {"workflows", 3, "standing approvals of breakpoints", kTable};
}

Result<BreakpointRule> parse_rule(std::string_view text) {
  auto const value = parse_json(text);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  BreakpointRule rule;
  std::array<std::pair<std::string_view, std::string*>, 4> const members = {
      {{"breakpoint", &rule.breakpoint},
       {"process", &rule.process},
       {"response", &rule.response},
       {"comment", &rule.comment}}};
  for (auto const& member : object->raw()) {
    std::string_view const name = member.key();
    bool const known =
        std::ranges::any_of(members, [&](auto const& one) { return one.first == name; });
    if (!known)
      return fail(ErrorCode::invalid_argument, "/{}: a rule has no such member",
                  printable(name, 80));
  }
  for (auto const& [key, into] : members)
    DROVER_TRY(read_text(*object, key, *into));
  // One that answers every breakpoint of everybody is never what is meant.
  if (rule.breakpoint.empty() || (rule.breakpoint == "*" && rule.process.empty()))
    return fail_next(ErrorCode::invalid_argument,
                     "/breakpoint: expected the id of a breakpoint, or how it begins and a *",
                     "see the breakpoint of one that waits: drover approvals show APPROVAL");
  auto const star = rule.breakpoint.find('*');
  if (star != std::string::npos && star + 1 != rule.breakpoint.size())
    return fail(ErrorCode::invalid_argument, "/breakpoint: a * is at the end");
  return rule;
}

json::object to_json(BreakpointRule const& rule) {
  auto const text = [](std::string const& value) {
    return value.empty() ? json::value{} : json::value{json::string{value}};
  };
  return {{"id", json::string{rule.id}},
          {"breakpoint", json::string{rule.breakpoint}},
          {"process", text(rule.process)},
          {"response", text(rule.response)},
          {"comment", text(rule.comment)},
          {"actor", text(rule.actor)},
          {"created_at", json::string{to_rfc3339(rule.created_at)}}};
}

bool answers(BreakpointRule const& rule, Question const& question, std::string_view process) {
  if (!rule.process.empty() && rule.process != process) return false;
  bool const open = rule.breakpoint.ends_with('*');
  std::string_view const start =
      std::string_view{rule.breakpoint}.substr(0, rule.breakpoint.size() - (open ? 1 : 0));
  bool const named =
      open ? question.breakpoint.starts_with(start) : question.breakpoint == rule.breakpoint;
  if (!named || question.options.empty()) return named;
  return std::ranges::find(question.options, rule.response) != question.options.end();
}

Verdict verdict_of(BreakpointRule const& rule) {
  Verdict verdict;
  verdict.approved = true;
  verdict.response = rule.response;
  verdict.comment = fmt::format("Approved by the rule {} of {}{}{}", rule.id, rule.actor,
                                rule.comment.empty() ? "" : ": ", rule.comment);
  verdict.by = AnsweredBy::rule;
  return verdict;
}

Status insert_rule(store::Database& database, BreakpointRule const& rule) {
  auto const all = list_rules(database);
  if (!all) return std::unexpected(all.error());
  if (std::ssize(*all) >= kRulesMax)
    return fail_next(ErrorCode::too_large, fmt::format("there are {} rules already", kRulesMax),
                     "remove some: drover approvals rules rm RULE");
  return database.run("INSERT INTO breakpoint_rules VALUES(?,?,?,?,?,?,?)", rule.id,
                      rule.breakpoint, rule.process, rule.response, rule.comment, rule.actor,
                      to_unix_ms(rule.created_at));
}

Status remove_rule(store::Database& database, std::string const& id) {
  auto const all = list_rules(database);
  if (!all) return std::unexpected(all.error());
  if (std::ranges::find(*all, id, &BreakpointRule::id) == all->end())
    return fail(ErrorCode::not_found, "there is no rule {}", printable(id, 80));
  return database.run("DELETE FROM breakpoint_rules WHERE id=?", id);
}

Result<std::vector<BreakpointRule>> list_rules(store::Database& database) {
  auto row = database.query(
      "SELECT id, breakpoint, process, response, comment, actor, created_at FROM breakpoint_rules"
      " ORDER BY created_at, id");
  if (!row) return std::unexpected(row.error());
  std::vector<BreakpointRule> rules;
  for (;;) {
    auto const there = row->step();
    if (!there) return std::unexpected(there.error());
    if (!*there) return rules;
    BreakpointRule rule;
    rule.id = row->text(0);
    rule.breakpoint = row->text(1);
    rule.process = row->text(2);
    rule.response = row->text(3);
    rule.comment = row->text(4);
    rule.actor = row->text(5);
    rule.created_at = from_unix_ms(row->integer(6));
    rules.push_back(std::move(rule));
  }
}

Result<std::optional<BreakpointRule>> rule_for(store::Database& database, Question const& question,
                                               std::string_view process) {
  auto rules = list_rules(database);
  if (!rules) return std::unexpected(rules.error());
  for (BreakpointRule& rule : *rules)
    if (answers(rule, question, process)) return std::move(rule);
  return std::nullopt;
}

}  // namespace drover::driver
