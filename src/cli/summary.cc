#include "cli/summary.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/text.h"
#include "cli/exit_codes.h"
#include "cli/layout.h"

namespace drover::cli {

namespace {

json::object const& object_or_empty(json::object const& object, std::string_view key) {
  static json::object const kEmpty;
  auto const* const value = object.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : kEmpty;
}

std::string render_commit(json::object const& commit, Style const& style) {
  std::string line = "  ";
  line += paint(style, Paint::yellow, printable(string_or(commit, "sha", "").substr(0, 8)));
  line += " " + printable(string_or(commit, "subject", ""));
  line += fmt::format("  on {}, {}, ", printable(string_or(commit, "branch", "?")),
                      counted(integer_or(commit, "files", 0), "file"));
  line += paint(style, Paint::green, fmt::format("+{}", integer_or(commit, "insertions", 0)));
  line += ' ';
  line += paint(style, Paint::red, fmt::format("-{}", integer_or(commit, "deletions", 0)));
  std::string const workspace = printable(string_or(commit, "workspace", ""));
  if (!workspace.empty()) line += paint(style, Paint::dim, "  [" + workspace + "]");
  return line + "\n";
}

std::string render_phases(json::object const& phases, Style const& style) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kPhases = {
      {{"queue", "queue_ms"},
       {"start", "start_ms"},
       {"model", "model_ms"},
       {"tools", "tool_ms"},
       {"commit", "commit_ms"},
       {"total", "total_ms"}}};
  std::vector<Table::Column> columns;
  std::vector<Table::Cell> row;
  for (auto const& [title, key] : kPhases) {
    auto const* const value = phases.if_contains(key);
    if (value == nullptr || !value->is_int64()) continue;
    columns.push_back({std::string{title}, Align::right});
    row.push_back({short_duration(Millis{value->get_int64()}),
                   title == "total" ? Paint::bold : Paint::plain});
  }
  if (columns.empty()) return {};
  Table table{std::move(columns)};
  table.add(std::move(row));
  return table.render(style);
}

std::string render_usage(json::object const& usage) {
  if (usage.empty()) return {};
  std::int64_t const read = integer_or(usage, "cache_read", 0);
  std::int64_t const written = integer_or(usage, "cache_write", 0);
  std::int64_t const in = integer_or(usage, "input", 0) + read + written;
  std::string line = fmt::format("tokens  {} in", short_count(in));
  if (read > 0) line += fmt::format(" ({} from cache)", short_count(read));
  line += fmt::format(", {} out", short_count(integer_or(usage, "output", 0)));
  auto const* const cost = usage.if_contains("cost_usd");
  if (cost != nullptr && cost->is_number())
    line += fmt::format("   cost  {}", money(cost->to_number<double>()));
  return line + "\n";
}

}  // namespace

bool is_terminal_state(std::string_view state) {
  return state == "succeeded" || state == "failed" || state == "cancelled";
}

int exit_code_of_state(std::string_view state) {
  if (state == "succeeded") return kExitOk;
  if (state == "waiting") return kExitWaiting;
  return kExitFailed;
}

Paint paint_of_state(std::string_view state) {
  if (state == "succeeded") return Paint::green;
  if (state == "failed") return Paint::red;
  if (state == "cancelled" || state == "waiting") return Paint::yellow;
  if (state == "queued") return Paint::dim;
  return Paint::cyan;
}

std::string render_outcome(json::object const& run, Style const& style) {
  std::string const state = printable(string_or(run, "state", "?"));
  std::string const reason = printable(string_or(run, "reason", ""));
  std::string head = state == "succeeded" ? "✔ " : is_terminal_state(state) ? "✗ " : "· ";
  head += state;
  if (!reason.empty() && reason != "completed") head += " (" + reason + ")";
  std::string out = paint(style, paint_of_state(state), head);
  std::int64_t const total = integer_or(object_or_empty(run, "phases"), "total_ms", -1);
  if (total >= 0) out += " in " + short_duration(Millis{total});
  std::int64_t const turns = integer_or(run, "turns", 0);
  if (turns > 0) out += ", " + counted(turns, "model call");
  out += '\n';
  std::string const detail = printable(string_or(run, "detail", ""), 2000);
  if (!detail.empty()) out += "  " + detail + "\n";
  return out;
}

std::string render_commits(json::object const& run, Style const& style) {
  auto const* const commits = run.if_contains("commits");
  if (commits == nullptr || !commits->is_array()) return {};
  std::string out;
  for (json::value const& commit : commits->get_array())
    if (commit.is_object()) out += render_commit(commit.get_object(), style);
  return out;
}

std::string render_costs(json::object const& run, Style const& style) {
  return render_phases(object_or_empty(run, "phases"), style) +
         render_usage(object_or_empty(run, "usage"));
}

}  // namespace drover::cli
