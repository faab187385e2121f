#pragma once
// Glob patterns as in gitignore(5): `*` and `?` stop at a slash, `**/`, `/**/` and `/**` cross it,
// brackets with ranges, negation and POSIX classes, backslash escapes.
// Patterns come from hostile trees, so a match takes at most pattern length times text length
// steps: no backtracking. Immutable after construction, thread-safe.
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace drover::git {

class Glob {
 public:
  explicit Glob(std::string_view pattern);
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  enum class Step : std::uint8_t {
    literal,
    any_one,      // ?
    one_of,       // [...]
    star,         // any run without a slash
    star_star,    // any run
    dirs_entry,   // zero or more whole folders: may be skipped ...
    dirs_inside,  // ... or left behind a slash
    never,        // an unterminated bracket matches nothing
  };
  struct Token {
    Step step = Step::literal;
    char literal = 0;
    std::uint32_t set = 0;
  };
  enum class Shape : std::uint8_t { literal, suffix, general };

  void compile(std::string_view pattern);
  // Returns the index behind the bracket expression that starts at `at`, or npos.
  [[nodiscard]] std::size_t compile_bracket(std::string_view pattern, std::size_t at);
  void classify();
  void advance(std::vector<bool>& states, std::size_t state) const;
  [[nodiscard]] bool simulate(std::string_view text) const;

  std::vector<Token> tokens_;
  std::vector<std::bitset<256>> sets_;
  std::string literal_;  // of the shapes literal and suffix
  Shape shape_ = Shape::general;
};

}  // namespace drover::git
