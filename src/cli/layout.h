#pragma once
// Text in columns: display width, cutting to a width, tables, and short forms of numbers and times.
// Pure. Text given here is already safe for a terminal (base/text.h).
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "cli/style.h"

namespace drover::cli {

// Columns on a terminal: 2 for East Asian wide characters and emoji, 0 for combining marks. A tab
// counts as one, so callers flatten text first.
[[nodiscard]] std::size_t display_width(std::string_view text);
// The text, or as much of it as fits into `columns` with "…" as its last.
[[nodiscard]] std::string cut_to_width(std::string_view text, std::size_t columns);

enum class Align : std::uint8_t { left, right };

// Columns are as wide as their widest cell, two spaces apart. Where the table is wider than the
// terminal, its one `shrinks` column (by default the last) is cut; on a file nothing is cut.
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  struct Cell {
    std::string text;
    Paint paint = Paint::plain;
  };

  explicit Table(std::vector<Column> columns);
  void shrink(std::size_t column) { shrinks_ = column; }
  // As many cells as there are columns.
  void add(std::vector<Cell> row);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::string render(Style const& style) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths(Style const& style) const;
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
  std::size_t shrinks_;
};

// "0 ms", "850 ms", "12.3 s", "4 min 05 s", "2 h 07 min".
[[nodiscard]] std::string short_duration(Millis duration);
// "just now", "42 s ago", "5 min ago", "3 h ago", "2 days ago"; a date when older than 30 days.
[[nodiscard]] std::string relative_time(WallTime then, WallTime now);
// "999", "1.2k", "3.4M".
[[nodiscard]] std::string short_count(std::int64_t count);
// "950 B", "1.2 kB", "3.4 MB"
[[nodiscard]] std::string short_bytes(std::uint64_t bytes);
// "$0", "$0.0042", "$1.25": four decimals below a cent's reach, two from a dollar on.
[[nodiscard]] std::string money(double usd);
// "1 file", "2 files".
[[nodiscard]] std::string counted(std::int64_t count, std::string_view singular);

}  // namespace drover::cli
