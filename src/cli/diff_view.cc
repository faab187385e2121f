#include "cli/diff_view.h"

#include <cstdint>

#include "base/text.h"

namespace drover::cli {

namespace {

// Only a line inside a hunk is content: "--- x" there is a removed line and no header.
enum class Part : std::uint8_t { header, hunk };

bool starts_header(std::string_view line) {
  return line.starts_with("diff ") || line.starts_with("index ");
}

Paint paint_of(std::string_view line, Part part) {
  if (part == Part::header) return Paint::bold;
  if (line.starts_with("@@")) return Paint::cyan;
  if (line.starts_with('+')) return Paint::green;
  if (line.starts_with('-')) return Paint::red;
  return line.starts_with('\\') ? Paint::dim : Paint::plain;
}

}  // namespace

DiffView view_diff(std::string_view diff, Style const& style, std::size_t lines_max) {
  DiffView view;
  Part part = Part::header;
  std::size_t shown = 0;
  while (!diff.empty()) {
    auto const end = diff.find('\n');
    std::string_view const line = diff.substr(0, end);
    diff.remove_prefix(end == std::string_view::npos ? diff.size() : end + 1);
    // Content lines of a hunk begin with ' ', '+', '-' or '\', so these two cannot be content.
    if (line.starts_with("@@")) part = Part::hunk;
    if (starts_header(line)) part = Part::header;
    if (lines_max != 0 && shown == lines_max) {
      ++view.lines_left_out;
      continue;
    }
    ++shown;
    view.text += paint(style, paint_of(line, part), terminal_safe(line));
    view.text += '\n';
  }
  return view;
}

}  // namespace drover::cli
