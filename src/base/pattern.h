#pragma once
// Regular expressions that cannot hang: time is linear in the text (times the pattern), and no
// recursion depends on the text. The subset of ECMAScript's syntax (flag u) that JSON Schema's
// interoperability advice names, and a little more:
//   literals, `.` (anything but a newline), classes [a-z] [^…], \d \w \s \D \W \S, \t \n \r \f \v
//   \0 \xHH \uHHHH \u{H…}, any escaped punctuation, ^ $, \b \B, ( ), (?: ), |, * + ? {n} {n,}
//   {n,m}, and lazy forms (which do not change whether there is a match).
// Refused, with the offset: back-references, look-around, named groups, \p{…}, quantified asserts.
// Works on code points; ill-formed UTF-8 in the text matches as U+FFFD, byte by byte.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover {

// Immutable; thread-safe.
class Pattern {
 public:
  static constexpr std::size_t kSourceBytesMax = 4096;
  // What a pattern may expand to; {n,m} copies what it repeats.
  static constexpr std::size_t kInstructionsMax = 10'000;
  static constexpr std::size_t kGroupDepthMax = 100;

  [[nodiscard]] static Result<Pattern> compile(std::string_view source);

  // Is there a match anywhere in the text (as JSON Schema's `pattern` has it)?
  [[nodiscard]] bool search(std::string_view text) const;
  [[nodiscard]] std::string const& source() const { return source_; }

  struct Range {
    char32_t first = 0;
    char32_t last = 0;
  };
  enum class Op : std::uint8_t { match, set, split, jump, text_start, text_end, word, not_word };
  struct Instruction {
    Op op = Op::match;
    std::uint32_t a = 0;  // set: its number; split, jump: a target
    std::uint32_t b = 0;  // split: the other target
  };

 private:
  Pattern() = default;

  std::string source_;
  std::vector<Instruction> program_;
  std::vector<std::vector<Range>> sets_;  // sorted, disjoint
};

}  // namespace drover
