#include "figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/json_text.h"

namespace drover::bench {

namespace {

constexpr int kQuickRepetitions = 3;

enum class Side : std::uint8_t { at_most, at_least };

struct Goal {
  std::string_view bench, name, metric;
  double limit;
  Side side = Side::at_most;
};

// In the unit of the figure. Changing one is a decision about the product, not about this file.
constexpr Goal kGoals[] = {
    {"cold-start", "drover-cold", "p50", 40},
    {"cold-start", "drover-warm", "p50", 10},
    {"cold-start", "drover-cold", "leftovers", 0},
    {"reconcile", "agents-1000-unchanged", "p50", 100},
    {"reconcile", "agents-1000-unchanged", "engine_calls", 1},
    {"loop", "native-1", "rss", 12},
    {"loop", "native-20", "rss", 12},
    {"loop", "native-100", "rss", 12},
    {"loop", "native-400", "rss", 12},
    {"loop", "native-100-sessions", "rss", 12},
    {"loop", "native-1", "cpu_per_turn", 1},
    {"loop", "native-20", "cpu_per_turn", 1},
    {"loop", "native-100", "cpu_per_turn", 1},
    {"loop", "native-400", "cpu_per_turn", 1},
    {"loop", "native-100-sessions", "cpu_per_turn", 1},
    {"events", "readers-1", "p50", 2},
    {"events", "readers-1000", "cpu_per_event", 10},
    {"commit", "10000-files", "p50", 30},
    {"dispatch", "embedded-c16", "cycle_vs_redis_always", 1.5, Side::at_least},
    {"dispatch", "embedded-batch100", "cycle_vs_redis_always", 2, Side::at_least},
    {"dispatch", "embedded-c64", "cycle_vs_bullmq", 5, Side::at_least},
    {"replay", "effects-5000", "engine", 100},
    {"replay", "effects-50000", "engine_growth", 15},
    {"replay", "effects-1000", "iterate_vs_sdk", 50, Side::at_least},
    {"replay", "effects-1000", "post_vs_sdk", 50, Side::at_least},
    {"replay", "effects-1000", "step_vs_sdk", 50, Side::at_least},
    {"replay", "run-1000-sequential", "rate_vs_sdk", 50, Side::at_least},
    {"chaos", "kill-loop", "lost", 0},
    {"chaos", "kill-loop", "doubled", 0},
    {"chaos", "kill-loop", "orphans", 0},
    {"chaos", "disk-full", "lost", 0},
    {"chaos", "disk-full", "doubled", 0},
    {"chaos", "disk-full", "orphans", 0},
    {"chaos", "redis-away", "lost", 0},
    {"chaos", "redis-away", "doubled", 0},
    {"chaos", "redis-away", "orphans", 0},
    {"chaos", "workers", "lost", 0},
    {"chaos", "workers", "doubled", 0},
    {"chaos", "workers", "orphans", 0},
    {"chaos", "workers-redis", "lost", 0},
    {"chaos", "workers-redis", "doubled", 0},
    {"chaos", "workers-redis", "orphans", 0},
};

std::optional<Goal> goal_of(std::string_view bench, Figure const& figure) {
  for (Goal const& goal : kGoals)
    if (goal.bench == bench && goal.name == figure.name && goal.metric == figure.metric)
      return goal;
  return std::nullopt;
}

// Three digits that count; no more is known.
std::string short_number(double value) {
  if (value == 0 || std::abs(value) >= 100) return fmt::format("{:.0f}", value);
  if (std::abs(value) >= 10) return fmt::format("{:.1f}", value);
  return fmt::format("{:.{}f}", value, std::abs(value) >= 1 ? 2 : 3);
}

}  // namespace

double Samples::quantile(double share) const {
  DROVER_CHECK(!values_.empty() && share >= 0 && share <= 1);
  auto sorted = values_;
  std::ranges::sort(sorted);
  auto const rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

int Report::repetitions(int count) const {
  return wishes_.effort == Effort::thorough ? count : std::min(count, kQuickRepetitions);
}

void Report::add(std::string_view name, std::string_view metric, std::string_view unit,
                 double value) {
  figures_.push_back({std::string{name}, std::string{metric}, std::string{unit}, value});
}

void Report::add_quantiles(std::string_view name, std::string_view unit, Samples const& samples) {
  add(name, "p50", unit, samples.quantile(0.5));
  add(name, "p99", unit, samples.quantile(0.99));
}

void Report::print(OutputForm form) const {
  if (form == OutputForm::json_lines) return print_json_lines();
  print_table();
}

void Report::print_json_lines() const {
  for (Figure const& figure : figures_) {
    JsonWriter line;
    line.string("bench", bench_);
    line.string("case", figure.name);
    line.string("metric", figure.metric);
    line.string("unit", figure.unit);
    line.number("value", figure.value);
    fmt::print("{}\n", std::move(line).str());
  }
}

void Report::print_table() const {
  std::size_t name_width = 4;
  std::size_t metric_width = 6;
  for (Figure const& figure : figures_) {
    name_width = std::max(name_width, figure.name.size());
    metric_width = std::max(metric_width, figure.metric.size());
  }
  fmt::print("{:<{}}  {:<{}}  {:>9} {:<5} {}\n", bench_, name_width, "metric", metric_width,
             "value", "unit", "goal");
  std::string_view before;
  for (Figure const& figure : figures_) {
    auto const goal = goal_of(bench_, figure);
    std::string beside;
    if (goal) {
      bool const most = goal->side == Side::at_most;
      bool const met = most ? figure.value <= goal->limit : figure.value >= goal->limit;
      beside = fmt::format("{} {} {}", most ? "<=" : ">=", short_number(goal->limit),
                           met ? "ok" : "MISSED");
    }
    fmt::print("{:<{}}  {:<{}}  {:>9} {:<5} {}\n", figure.name == before ? "" : figure.name,
               name_width, figure.metric, metric_width, short_number(figure.value), figure.unit,
               beside);
    before = figure.name;
  }
  for (std::string const& remark : remarks_)
    fmt::print("{}\n", remark);
}

void note(std::string_view line) {
  fmt::print(stderr, "drover-bench: {}\n", line);
}

}  // namespace drover::bench
