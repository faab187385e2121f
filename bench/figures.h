#pragma once
// What a benchmark found out: figures under their published names, as a table for people or as one
// JSON object a line. Plain values, one thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover::bench {

struct Figure {
  std::string name;  // of the case: "drover-cold"
  std::string metric;
  std::string unit;
  double value = 0;
};

// Repeated measurements of one thing.
class Samples {
 public:
  void add(double value) { values_.push_back(value); }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  // The smallest value that at least `share` (0 to 1) of the values do not exceed: nearest rank.
  [[nodiscard]] double quantile(double share) const;
  [[nodiscard]] double median() const { return quantile(0.5); }

 private:
  std::vector<double> values_;
};

enum class OutputForm : std::uint8_t { table, json_lines };

// Thorough is what figures are published from; quick only shows that everything works.
enum class Effort : std::uint8_t { thorough, quick };

// What may be asked for beside the benchmark's name. Those that have no such thing ignore it.
struct Wishes {
  Effort effort = Effort::thorough;
  std::optional<int> cycles = std::nullopt;
  std::uint64_t seed = 1;
};

class Report {
 public:
  Report(std::string bench, Wishes wishes) : bench_(std::move(bench)), wishes_(wishes) {}
  Report(std::string bench, Effort effort) : Report(std::move(bench), Wishes{effort}) {}

  [[nodiscard]] Wishes const& wishes() const { return wishes_; }

  // `count` repetitions, or a few where the effort is quick.
  [[nodiscard]] int repetitions(int count) const;
  void add(std::string_view name, std::string_view metric, std::string_view unit, double value);
  // p50 and p99.
  void add_quantiles(std::string_view name, std::string_view unit, Samples const& samples);
  // A sentence below the table.
  void remark(std::string text) { remarks_.push_back(std::move(text)); }
  // To stdout. The table has the goal beside each figure that has one.
  void print(OutputForm form) const;

 private:
  void print_table() const;
  void print_json_lines() const;
  std::string bench_;
  Wishes wishes_;
  std::vector<Figure> figures_;
  std::vector<std::string> remarks_;
};

// One line for people, on stderr.
void note(std::string_view line);

}  // namespace drover::bench
