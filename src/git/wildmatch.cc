#include "git/wildmatch.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

namespace drover::git {

namespace {

using Set = std::bitset<256>;

std::size_t byte(char c) {
  return static_cast<unsigned char>(c);
}

bool add_class(Set& set, std::string_view name) {
  using Test = int (*)(int);
  static constexpr std::array<std::pair<std::string_view, Test>, 12> kClasses{{
      {"alnum", std::isalnum},
      {"alpha", std::isalpha},
      {"blank", std::isblank},
      {"cntrl", std::iscntrl},
      {"digit", std::isdigit},
      {"graph", std::isgraph},
      {"lower", std::islower},
      {"print", std::isprint},
      {"punct", std::ispunct},
      {"space", std::isspace},
      {"upper", std::isupper},
      {"xdigit", std::isxdigit},
  }};
  for (auto const& [known, test] : kClasses) {
    if (known != name) continue;
    for (int c = 0; c < 128; ++c) {
      if (test(c) != 0) set.set(static_cast<std::size_t>(c));
    }
    return true;
  }
  return false;
}

}  // namespace

Glob::Glob(std::string_view pattern) {
  compile(pattern);
  classify();
}

void Glob::compile(std::string_view pattern) {
  std::size_t i = 0;
  while (i < pattern.size()) {
    char const c = pattern[i];
    if (c == '\\') {
      if (i + 1 == pattern.size()) {
        tokens_.push_back({.step = Step::never});
        return;
      }
      tokens_.push_back({.step = Step::literal, .literal = pattern[i + 1]});
      i += 2;
    } else if (c == '?') {
      tokens_.push_back({.step = Step::any_one});
      ++i;
    } else if (c == '[') {
      i = compile_bracket(pattern, i);
      if (i != std::string_view::npos) continue;
      tokens_.push_back({.step = Step::never});
      return;
    } else if (c == '*') {
      std::size_t end = i;
      while (end < pattern.size() && pattern[end] == '*')
        ++end;
      bool const whole_folder = end - i >= 2 && (i == 0 || pattern[i - 1] == '/');
      if (whole_folder && end == pattern.size()) {
        tokens_.push_back({.step = Step::star_star});
      } else if (whole_folder && pattern[end] == '/') {
        tokens_.push_back({.step = Step::dirs_entry});
        tokens_.push_back({.step = Step::dirs_inside});
        ++end;
      } else {
        tokens_.push_back({.step = Step::star});
      }
      i = end;
    } else {
      tokens_.push_back({.step = Step::literal, .literal = c});
      ++i;
    }
  }
}

std::size_t Glob::compile_bracket(std::string_view pattern, std::size_t at) {
  Set set;
  std::size_t i = at + 1;
  bool const negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  std::optional<std::size_t> previous;
  for (bool first = true;; first = false) {
    if (i >= pattern.size()) return std::string_view::npos;
    char c = pattern[i];
    if (c == ']' && !first) break;
    if (c == '[' && i + 1 < pattern.size() && pattern[i + 1] == ':') {
      std::size_t const end = pattern.find(":]", i + 2);
      if (end != std::string_view::npos) {
        if (!add_class(set, pattern.substr(i + 2, end - i - 2))) return std::string_view::npos;
        i = end + 2;
        previous.reset();
        continue;
      }
    }
    if (c == '-' && previous && i + 1 < pattern.size() && pattern[i + 1] != ']') {
      ++i;
      if (pattern[i] == '\\' && ++i >= pattern.size()) return std::string_view::npos;
      for (std::size_t in = *previous; in <= byte(pattern[i]); ++in)
        set.set(in);
      previous.reset();
      ++i;
      continue;
    }
    if (c == '\\') {
      if (++i >= pattern.size()) return std::string_view::npos;
      c = pattern[i];
    }
    set.set(byte(c));
    previous = byte(c);
    ++i;
  }
  if (negated) set.flip();
  set.reset(byte('/'));
  tokens_.push_back({.step = Step::one_of, .set = static_cast<std::uint32_t>(sets_.size())});
  sets_.push_back(set);
  return i + 1;
}

// Most patterns in the wild are a name or `*.ext`: those are compared directly.
void Glob::classify() {
  bool const starts_with_star = !tokens_.empty() && tokens_.front().step == Step::star;
  auto const rest = tokens_.begin() + (starts_with_star ? 1 : 0);
  if (!std::all_of(rest, tokens_.end(), [](Token const& t) { return t.step == Step::literal; }))
    return;
  std::for_each(rest, tokens_.end(), [this](Token const& t) { literal_ += t.literal; });
  shape_ = starts_with_star ? Shape::suffix : Shape::literal;
}

bool Glob::matches(std::string_view text) const {
  if (shape_ == Shape::literal) return text == literal_;
  if (shape_ == Shape::general) return simulate(text);
  if (!text.ends_with(literal_)) return false;
  return text.substr(0, text.size() - literal_.size()).find('/') == std::string_view::npos;
}

// Marks `state` and every state that is reached from it without a character.
void Glob::advance(std::vector<bool>& states, std::size_t state) const {
  for (;;) {
    states[state] = true;
    if (state == tokens_.size()) return;
    switch (tokens_[state].step) {
      case Step::star:
      case Step::star_star:
        ++state;
        break;
      case Step::dirs_entry:
        states[state + 1] = true;
        state += 2;
        break;
      default:
        return;
    }
  }
}

bool Glob::simulate(std::string_view text) const {
  std::size_t const end = tokens_.size();
  std::vector<bool> states(end + 1);
  std::vector<bool> next(end + 1);
  advance(states, 0);
  for (char const c : text) {
    std::fill(next.begin(), next.end(), false);
    bool alive = false;
    for (std::size_t i = 0; i < end; ++i) {
      if (!states[i]) continue;
      Token const& token = tokens_[i];
      bool stays = false;
      bool moves = false;
      switch (token.step) {
        case Step::literal:
          moves = token.literal == c;
          break;
        case Step::any_one:
          moves = c != '/';
          break;
        case Step::one_of:
          moves = sets_[token.set].test(byte(c));
          break;
        case Step::star:
          stays = c != '/';
          break;
        case Step::star_star:
          stays = true;
          break;
        case Step::dirs_entry:
          break;
        case Step::dirs_inside:
          stays = true;
          moves = c == '/';
          break;
        case Step::never:
          break;
      }
      if (stays) advance(next, i);
      if (moves) advance(next, i + 1);
      alive = alive || stays || moves;
    }
    if (!alive) return false;
    states.swap(next);
  }
  return states[end];
}

}  // namespace drover::git
