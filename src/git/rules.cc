#include "git/rules.h"

#include <algorithm>

#include "base/text.h"

namespace drover::git {

namespace {

constexpr int kMacroDepthMax = 8;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Calls `line` for each line without its end of line.
template <class Visit>
void for_each_line(std::string_view text, Visit line) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  while (!text.empty()) {
    std::size_t const end = std::min(text.find('\n'), text.size());
    std::string_view current = text.substr(0, end);
    if (current.ends_with('\r')) current.remove_suffix(1);
    line(current);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// Trailing spaces count only behind a backslash.
std::string_view without_trailing_spaces(std::string_view line) {
  std::size_t keep = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      i = std::min(i + 1, line.size() - 1);
      keep = i + 1;
    } else if (line[i] != ' ') {
      keep = i + 1;
    }
  }
  return line.substr(0, keep);
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

std::string_view next_word(std::string_view& text) {
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  std::size_t end = 0;
  while (end < text.size() && !is_blank(text[end]))
    ++end;
  std::string_view const word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// A pattern in C quotes, as git writes names with spaces. Leaves `text` behind the closing quote.
std::optional<std::string> quoted_word(std::string_view& text) {
  std::string word;
  std::size_t i = 1;
  while (i < text.size() && text[i] != '"') {
    char c = text[i++];
    if (c == '\\') {
      if (i >= text.size()) return std::nullopt;
      c = text[i++];
      static constexpr std::string_view kNames = "abfnrtv";
      static constexpr std::string_view kValues = "\a\b\f\n\r\t\v";
      if (auto const at = kNames.find(c); at != std::string_view::npos) {
        c = kValues[at];
      } else if (c >= '0' && c <= '3') {
        if (i + 1 >= text.size()) return std::nullopt;
        c = static_cast<char>((c - '0') * 64 + (text[i] - '0') * 8 + (text[i + 1] - '0'));
        i += 2;
      }
    }
    word += c;
  }
  if (i >= text.size()) return std::nullopt;
  text.remove_prefix(i + 1);
  return word;
}

bool has_inner_slash(std::string_view body) {
  return body.find('/') != std::string_view::npos;
}

std::string_view without_folder_mark(std::string_view pattern) {
  return pattern.ends_with('/') ? pattern.substr(0, pattern.size() - 1) : pattern;
}

std::string_view without_leading_slash(std::string_view body) {
  return body.starts_with('/') ? body.substr(1) : body;
}

}  // namespace

PathPattern::PathPattern(std::string_view pattern)
    : PathPattern(without_folder_mark(pattern), pattern.ends_with('/'),
                  has_inner_slash(without_folder_mark(pattern))) {}

PathPattern::PathPattern(std::string_view body, bool only_folders, bool anchored)
    : only_folders_(only_folders), anchored_(anchored), glob_(without_leading_slash(body)) {}

bool PathPattern::matches(std::string_view relative) const {
  if (anchored_) return glob_.matches(relative);
  std::size_t const slash = relative.rfind('/');
  return glob_.matches(slash == std::string_view::npos ? relative : relative.substr(slash + 1));
}

IgnoreRules IgnoreRules::parse(std::string_view text) {
  IgnoreRules rules;
  for_each_line(text, [&](std::string_view line) {
    line = without_trailing_spaces(line);
    if (line.empty() || line.front() == '#') return;
    bool const negated = line.front() == '!';
    if (negated) line.remove_prefix(1);
    if (line.empty() || line == "/") return;
    rules.rules_.push_back({PathPattern{line}, !negated});
  });
  return rules;
}

std::optional<bool> IgnoreRules::decide(std::string_view relative, PathKind kind) const {
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->pattern.only_folders() && kind != PathKind::folder) continue;
    if (rule->pattern.matches(relative)) return rule->ignore;
  }
  return std::nullopt;
}

std::vector<AttributeRules::Assignment> AttributeRules::parse_assignments(std::string_view text) {
  using State = AttributeValue::State;
  std::vector<Assignment> assignments;
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    State state = State::set;
    if (word.front() == '-') state = State::unset;
    if (word.front() == '!') state = State::unspecified;
    if (state != State::set) word.remove_prefix(1);
    std::size_t const equals = word.find('=');
    std::string const name{word.substr(0, equals)};
    if (name.empty()) continue;
    if (state == State::set && equals != std::string_view::npos) {
      assignments.push_back({name, {State::value, std::string{word.substr(equals + 1)}}});
    } else {
      assignments.push_back({name, {state, {}}});
    }
  }
  return assignments;
}

AttributeRules AttributeRules::parse(std::string_view text, Macros macros) {
  static constexpr std::string_view kMacroMark = "[attr]";
  AttributeRules rules;
  for_each_line(text, [&](std::string_view line) {
    while (!line.empty() && is_blank(line.front()))
      line.remove_prefix(1);
    if (line.empty() || line.front() == '#') return;
    if (line.starts_with(kMacroMark)) {
      line.remove_prefix(kMacroMark.size());
      std::string const name{next_word(line)};
      if (macros == Macros::allowed && !name.empty())
        rules.macros_.push_back({name, parse_assignments(line)});
      return;
    }
    std::string pattern;
    if (line.front() == '"') {
      auto quoted = quoted_word(line);
      if (!quoted) return;
      pattern = std::move(*quoted);
    } else {
      pattern = next_word(line);
    }
    if (pattern.empty() || pattern.front() == '!') return;  // negation is not allowed here
    rules.lines_.push_back({PathPattern{pattern}, parse_assignments(line)});
  });
  return rules;
}

void AttributeLookup::add_macros(AttributeRules const& rules) {
  macros_.insert(macros_.end(), rules.macros_.begin(), rules.macros_.end());
}

void AttributeLookup::assign(Assignment const& assignment, int depth) {
  auto const known = [&](Assignment const& d) { return d.name == assignment.name; };
  if (std::ranges::any_of(decided_, known)) return;
  decided_.push_back(assignment);
  if (!assignment.value.is_set() || depth >= kMacroDepthMax) return;
  // A macro that is set also sets what it stands for, from its last word to the first.
  for (auto const& macro : macros_) {
    if (macro.name != assignment.name) continue;
    for (auto part = macro.assignments.rbegin(); part != macro.assignments.rend(); ++part)
      assign(*part, depth + 1);
    return;
  }
  if (assignment.name != "binary") return;
  for (std::string_view const name : {"diff", "merge", "text"})
    assign({std::string{name}, {AttributeValue::State::unset, {}}}, depth + 1);
}

void AttributeLookup::apply(AttributeRules const& rules, std::string_view relative) {
  for (auto line = rules.lines_.rbegin(); line != rules.lines_.rend(); ++line) {
    if (line->pattern.only_folders() || !line->pattern.matches(relative)) continue;
    for (auto part = line->assignments.rbegin(); part != line->assignments.rend(); ++part)
      assign(*part, 0);
  }
}

PathAttributes AttributeLookup::take() && {
  PathAttributes attributes;
  for (auto& [name, value] : decided_) {
    if (name == "text")
      attributes.text = std::move(value);
    else if (name == "crlf")
      attributes.crlf = std::move(value);
    else if (name == "eol")
      attributes.eol = std::move(value);
    else if (name == "ident")
      attributes.ident = std::move(value);
    else if (name == "filter")
      attributes.filter = std::move(value);
    else if (name == "working-tree-encoding")
      attributes.working_tree_encoding = std::move(value);
  }
  return attributes;
}

}  // namespace drover::git
