#include "cli/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/check.h"

namespace drover::cli {

namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kShrunkMin = 8;  // a cut column keeps at least this many columns

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

// Unicode East Asian Width W and F, and emoji that terminals draw wide; sorted.
constexpr std::array kWide = {
    Range{0x1100, 0x115F},   Range{0x231A, 0x231B},   Range{0x23E9, 0x23EC},
    Range{0x23F0, 0x23F0},   Range{0x23F3, 0x23F3},   Range{0x25FD, 0x25FE},
    Range{0x2614, 0x2615},   Range{0x2648, 0x2653},   Range{0x267F, 0x267F},
    Range{0x2693, 0x2693},   Range{0x26A1, 0x26A1},   Range{0x26AA, 0x26AB},
    Range{0x26BD, 0x26BE},   Range{0x26C4, 0x26C5},   Range{0x26CE, 0x26CE},
    Range{0x26D4, 0x26D4},   Range{0x26EA, 0x26EA},   Range{0x26F2, 0x26F3},
    Range{0x26F5, 0x26F5},   Range{0x26FA, 0x26FA},   Range{0x26FD, 0x26FD},
    Range{0x2705, 0x2705},   Range{0x270A, 0x270B},   Range{0x2728, 0x2728},
    Range{0x274C, 0x274C},   Range{0x274E, 0x274E},   Range{0x2753, 0x2755},
    Range{0x2757, 0x2757},   Range{0x2795, 0x2797},   Range{0x27B0, 0x27B0},
    Range{0x2B1B, 0x2B1C},   Range{0x2B50, 0x2B50},   Range{0x2B55, 0x2B55},
    Range{0x2E80, 0x303E},   Range{0x3041, 0xA4CF},   Range{0xA960, 0xA97C},
    Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE10, 0xFE19},
    Range{0xFE30, 0xFE6F},   Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},
    Range{0x16FE0, 0x18AFF}, Range{0x1B000, 0x1B2FF}, Range{0x1F004, 0x1F004},
    Range{0x1F0CF, 0x1F0CF}, Range{0x1F18E, 0x1F18E}, Range{0x1F191, 0x1F19A},
    Range{0x1F200, 0x1F320}, Range{0x1F32D, 0x1F335}, Range{0x1F337, 0x1F37C},
    Range{0x1F37E, 0x1F393}, Range{0x1F3A0, 0x1F3CA}, Range{0x1F3CF, 0x1F3D3},
    Range{0x1F3E0, 0x1F3F0}, Range{0x1F3F4, 0x1F3F4}, Range{0x1F3F8, 0x1F43E},
    Range{0x1F440, 0x1F440}, Range{0x1F442, 0x1F4FC}, Range{0x1F4FF, 0x1F53D},
    Range{0x1F54B, 0x1F567}, Range{0x1F595, 0x1F596}, Range{0x1F5A4, 0x1F5A4},
    Range{0x1F5FB, 0x1F64F}, Range{0x1F680, 0x1F6C5}, Range{0x1F6CC, 0x1F6CC},
    Range{0x1F6D0, 0x1F6DF}, Range{0x1F6EB, 0x1F6FC}, Range{0x1F7E0, 0x1F7F0},
    Range{0x1F90C, 0x1F9FF}, Range{0x1FA70, 0x1FAFF}, Range{0x20000, 0x3FFFD}};

// Combining marks and joiners that take no column; sorted.
constexpr std::array kZero = {
    Range{0x0300, 0x036F},  Range{0x0483, 0x0489}, Range{0x0591, 0x05BD}, Range{0x0610, 0x061A},
    Range{0x064B, 0x065F},  Range{0x0670, 0x0670}, Range{0x06D6, 0x06DC}, Range{0x093C, 0x093C},
    Range{0x094D, 0x094D},  Range{0x0E31, 0x0E31}, Range{0x0E34, 0x0E3A}, Range{0x0E47, 0x0E4E},
    Range{0x1AB0, 0x1AFF},  Range{0x1DC0, 0x1DFF}, Range{0x200B, 0x200D}, Range{0x2060, 0x2064},
    Range{0x20D0, 0x20F0},  Range{0xFE00, 0xFE0F}, Range{0xFE20, 0xFE2F}, Range{0xFEFF, 0xFEFF},
    Range{0xE0000, 0xE0FFF}};

template <std::size_t N>
bool in(std::array<Range, N> const& ranges, std::uint32_t code) {
  auto const at = std::ranges::lower_bound(ranges, code, {}, &Range::last);
  return at != ranges.end() && at->first <= code;
}

std::size_t width_of(std::uint32_t code) {
  if (code < 0x300) return 1;
  if (in(kZero, code)) return 0;
  return in(kWide, code) ? 2 : 1;
}

struct Character {
  std::uint32_t code;
  std::size_t bytes;
};

// The text is well-formed UTF-8; a stray byte counts as a character of its own.
Character character_at(std::string_view text, std::size_t at) {
  auto const byte = [&](std::size_t i) -> std::uint32_t {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) & 0x3FU : 0U;
  };
  std::uint32_t const lead = static_cast<unsigned char>(text[at]);
  if (lead < 0xC0) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1FU) << 6U | byte(1), 2};
  if (lead < 0xF0) return {(lead & 0x0FU) << 12U | byte(1) << 6U | byte(2), 3};
  return {(lead & 0x07U) << 18U | byte(1) << 12U | byte(2) << 6U | byte(3), 4};
}

void pad(std::string& out, std::size_t columns) {
  out.append(columns, ' ');
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    Character const character = character_at(text, at);
    width += width_of(character.code);
    at += character.bytes;
  }
  return width;
}

std::string cut_to_width(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string{text};
  if (columns == 0) return {};
  std::size_t width = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    Character const character = character_at(text, at);
    if (width + width_of(character.code) > columns - 1) break;
    width += width_of(character.code);
    at += character.bytes;
  }
  return std::string{text.substr(0, at)} + "…";
}

Table::Table(std::vector<Column> columns)
    : columns_(std::move(columns)), shrinks_(columns_.empty() ? 0 : columns_.size() - 1) {}

void Table::add(std::vector<Cell> row) {
  DROVER_CHECK(row.size() == columns_.size());
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::widths(Style const& style) const {
  std::vector<std::size_t> widths;
  for (Column const& column : columns_)
    widths.push_back(display_width(column.title));
  for (auto const& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], display_width(row[i].text));
  if (style.device == Device::file || widths.empty()) return widths;
  std::size_t const total =
      std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1));
  if (total <= style.width) return widths;
  std::size_t const excess = total - style.width;
  std::size_t& shrunk = widths[shrinks_];
  shrunk = shrunk > excess + kShrunkMin ? shrunk - excess : std::min(shrunk, kShrunkMin);
  return widths;
}

std::string Table::render(Style const& style) const {
  std::vector<std::size_t> const wide = widths(style);
  std::string out;
  auto const line = [&](auto const& cell_at) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      Cell const cell = cell_at(i);
      std::string const text = cut_to_width(cell.text, wide[i]);
      std::size_t const space = wide[i] - std::min(wide[i], display_width(text));
      if (i > 0) pad(out, kGap);
      if (columns_[i].align == Align::right) pad(out, space);
      out += paint(style, cell.paint, text);
      bool const last = i + 1 == columns_.size();
      if (columns_[i].align == Align::left && !last) pad(out, space);
    }
    out += '\n';
  };
  line([&](std::size_t i) { return Cell{columns_[i].title, Paint::dim}; });
  for (auto const& row : rows_)
    line([&](std::size_t i) { return row[i]; });
  return out;
}

std::string short_duration(Millis duration) {
  std::int64_t const ms = std::max<std::int64_t>(duration.count(), 0);
  if (ms < 1000) return fmt::format("{} ms", ms);
  // 59.95 s and more would print as 60.0 s.
  if (ms < 59'950) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000.0);
  std::int64_t const seconds = (ms + 500) / 1000;
  if (seconds < 3600) return fmt::format("{} min {:02} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {:02} min", seconds / 3600, seconds / 60 % 60);
}

std::string relative_time(WallTime then, WallTime now) {
  using std::chrono::duration_cast;
  std::int64_t const seconds = duration_cast<std::chrono::seconds>(now - then).count();
  if (seconds < 2) return "just now";  // also a clock that runs a little ahead
  if (seconds < 60) return fmt::format("{} s ago", seconds);
  if (seconds < 3600) return fmt::format("{} min ago", seconds / 60);
  if (seconds < 86'400) return fmt::format("{} h ago", seconds / 3600);
  std::int64_t const days = seconds / 86'400;
  if (days <= 30) return days == 1 ? "1 day ago" : fmt::format("{} days ago", days);
  return to_rfc3339(then).substr(0, 10);
}

std::string short_count(std::int64_t count) {
  if (count < 1000) return fmt::format("{}", count);
  double const value = static_cast<double>(count);
  if (count < 999'950) return fmt::format("{:.1f}k", value / 1e3);
  return fmt::format("{:.1f}M", value / 1e6);
}

std::string short_bytes(std::uint64_t bytes) {
  constexpr double kStep = 1000;
  constexpr std::array<std::string_view, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 999.95 would print as 1000.0.
  for (; amount >= kStep - 0.05 && unit + 1 < kUnits.size(); ++unit)
    amount /= kStep;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

std::string money(double usd) {
  if (usd <= 0) return "$0";
  if (usd < 0.0001) return "<$0.0001";
  if (usd < 1) return fmt::format("${:.4f}", usd);
  return fmt::format("${:.2f}", usd);
}

std::string counted(std::int64_t count, std::string_view singular) {
  return fmt::format("{} {}{}", count, singular, count == 1 ? "" : "s");
}

}  // namespace drover::cli
