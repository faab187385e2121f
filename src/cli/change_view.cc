#include "cli/change_view.h"

#include <fmt/format.h>

#include <algorithm>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/layout.h"

namespace drover::cli {

namespace {

constexpr std::size_t kSideColumns = 60;
constexpr std::size_t kBefore = 12;  // bytes of what both share, for the eye

std::string text_of(std::optional<json::value> const& side) {
  return side ? json::serialize(*side) : std::string{};
}

// Both sides from shortly before the first difference on, where they would not fit otherwise.
struct Sides {
  std::string before;
  std::string after;
};
Sides sides_of(JsonDifference const& change) {
  std::string before = text_of(change.before);
  std::string after = text_of(change.after);
  bool const fit = before.size() <= kSideColumns && after.size() <= kSideColumns;
  if (change.before && change.after && !fit) {
    auto const [left, right] = std::ranges::mismatch(before, after);
    auto const shared = static_cast<std::size_t>(left - before.begin());
    // Where a text that was cut there would still hold together.
    std::size_t const from =
        shared > kBefore ? utf8_prefix(before, shared - kBefore).size() : std::size_t{0};
    if (from > 0) {
      before = "…" + before.substr(from);
      after = "…" + after.substr(from);
    }
  }
  auto const shown = [](bool is_there, std::string const& text) {
    return is_there ? cut_to_width(printable(text, 4 * kSideColumns), kSideColumns)
                    : std::string{"(none)"};
  };
  return {shown(change.before.has_value(), before), shown(change.after.has_value(), after)};
}

}  // namespace

std::string member_words(std::string_view pointer) {
  std::string words;
  for (std::string_view part : split(pointer, '/')) {
    if (part.empty()) continue;
    if (!words.empty()) words += '.';
    for (std::size_t i = 0; i < part.size(); ++i) {
      bool const escaped = part[i] == '~' && i + 1 < part.size();
      if (escaped) ++i;
      words += escaped ? (part[i] == '1' ? '/' : '~') : part[i];
    }
  }
  return printable(words);
}

std::string render_changes(std::vector<JsonDifference> const& changes, Style const& style) {
  std::size_t widest = 0;
  for (JsonDifference const& change : changes)
    widest = std::max(widest, display_width(member_words(change.member)));
  std::string out;
  for (JsonDifference const& change : changes) {
    std::string const member = member_words(change.member);
    Sides const sides = sides_of(change);
    out += fmt::format(
        "    {}{}  {} → {}\n", member, std::string(widest - display_width(member), ' '),
        paint(style, Paint::red, sides.before), paint(style, Paint::green, sides.after));
  }
  return out;
}

std::string brief_changes(std::vector<JsonDifference> const& changes, std::size_t columns) {
  std::string out;
  for (JsonDifference const& change : changes) {
    Sides const sides = sides_of(change);
    std::string one =
        fmt::format("{} {} → {}", member_words(change.member), sides.before, sides.after);
    constexpr std::size_t kOneColumns = 40;
    if (display_width(one) > kOneColumns) one = member_words(change.member);
    out += out.empty() ? one : ", " + one;
  }
  return cut_to_width(out, columns);
}

}  // namespace drover::cli
