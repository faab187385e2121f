// A pattern is parsed by recursive descent (depth bounded) into a tree, the tree is written out as
// a program for Pike's machine, and the machine steps all its threads over the text at once.
#include "base/pattern.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/text.h"

namespace drover {

namespace {

using Ranges = std::vector<Pattern::Range>;

constexpr char32_t kCodePointMax = 0x10FFFF;
constexpr std::uint32_t kRepeatMax = 1000;
constexpr std::uint32_t kUnbounded = 0xFFFFFFFF;

// Sorted, without overlaps.
Ranges normalise(Ranges ranges) {
  std::ranges::sort(ranges, {}, &Pattern::Range::first);
  Ranges merged;
  for (auto const& range : ranges) {
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

Ranges complement(Ranges const& sorted) {
  Ranges out;
  char32_t next = 0;
  for (auto const& range : sorted) {
    if (range.first > next) out.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kCodePointMax) out.push_back({next, kCodePointMax});
  return out;
}

Ranges digits() {
  return {{'0', '9'}};
}
Ranges word_chars() {
  return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
}
// ECMAScript's WhiteSpace and LineTerminator.
Ranges spaces() {
  return {{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
          {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
}
Ranges not_newline() {
  return complement({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}});
}

std::optional<Ranges> class_escape(char32_t c) {
  switch (c) {
    case 'd':
      return digits();
    case 'w':
      return word_chars();
    case 's':
      return spaces();
    case 'D':
      return complement(digits());
    case 'W':
      return complement(word_chars());
    case 'S':
      return complement(spaces());
    default:
      return std::nullopt;
  }
}

bool contains(Ranges const& sorted, char32_t c) {
  auto const after = std::ranges::upper_bound(sorted, c, {}, &Pattern::Range::first);
  return after != sorted.begin() && c <= std::prev(after)->last;
}

std::u32string code_points(std::string_view text) {
  std::string const valid = to_utf8(text);
  std::u32string out;
  out.reserve(valid.size());
  for (std::size_t at = 0; at < valid.size();) {
    auto const lead = static_cast<unsigned char>(valid[at]);
    std::size_t const length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    char32_t code = length == 1 ? lead : lead & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i)
      code = code << 6 | (static_cast<unsigned char>(valid[at + i]) & 0x3FU);
    out += code;
    at += length;
  }
  return out;
}

struct Tree;
using TreePtr = std::unique_ptr<Tree>;

struct Tree {
  enum class Kind : std::uint8_t { sequence, alternatives, repeat, set, assertion };
  Kind kind = Kind::sequence;
  std::vector<TreePtr> parts;
  Ranges ranges;
  Pattern::Op assertion = Pattern::Op::match;
  std::uint32_t count_min = 0;
  std::uint32_t count_max = 0;
};

TreePtr set_tree(Ranges ranges) {
  auto tree = std::make_unique<Tree>();
  tree->kind = Tree::Kind::set;
  tree->ranges = normalise(std::move(ranges));
  return tree;
}

TreePtr assertion_tree(Pattern::Op op) {
  auto tree = std::make_unique<Tree>();
  tree->kind = Tree::Kind::assertion;
  tree->assertion = op;
  return tree;
}

class Parser {
 public:
  explicit Parser(std::string_view source) : text_(code_points(source)) {}

  Result<TreePtr> parse() {
    auto tree = alternatives(0);
    if (tree && at_ < text_.size()) return wrong("an unmatched ')'");
    return tree;
  }

 private:
  std::unexpected<Error> wrong(std::string_view what) const {
    return fail(ErrorCode::invalid_argument,
                "the pattern does not hold at character {}: {} is not accepted here", at_, what);
  }
  bool at_end() const { return at_ >= text_.size(); }
  bool looking_at(std::u32string_view wanted) const {
    return std::u32string_view{text_}.substr(at_).starts_with(wanted);
  }
  bool skip(char32_t c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<TreePtr> alternatives(std::size_t depth) {
    if (depth > Pattern::kGroupDepthMax) return wrong("a group this deep");
    auto first = sequence(depth);
    if (!first || at_end() || text_[at_] != '|') return first;
    auto tree = std::make_unique<Tree>();
    tree->kind = Tree::Kind::alternatives;
    tree->parts.push_back(*std::move(first));
    while (skip('|')) {
      auto next = sequence(depth);
      if (!next) return next;
      tree->parts.push_back(*std::move(next));
    }
    return tree;
  }

  Result<TreePtr> sequence(std::size_t depth) {
    auto tree = std::make_unique<Tree>();
    while (!at_end() && text_[at_] != '|' && text_[at_] != ')') {
      auto part = atom(depth);
      if (!part) return part;
      auto repeated = quantified(*std::move(part));
      if (!repeated) return repeated;
      tree->parts.push_back(*std::move(repeated));
    }
    return tree;
  }

  Result<TreePtr> atom(std::size_t depth) {
    if (looking_at(U"(?") && !looking_at(U"(?:")) return wrong("look-around or a named group");
    char32_t const c = text_[at_];
    switch (c) {
      case '(':
        return group(depth);
      case '[':
        return bracket();
      case '\\':
        return escape();
      case '^':
        ++at_;
        return assertion_tree(Pattern::Op::text_start);
      case '$':
        ++at_;
        return assertion_tree(Pattern::Op::text_end);
      case '.':
        ++at_;
        return set_tree(not_newline());
      case '*':
      case '+':
      case '?':
      case '{':
        return wrong("a quantifier without what it repeats");
      case '}':
      case ']':
        return wrong("a lone closing bracket");
      default:
        ++at_;
        return set_tree({{c, c}});
    }
  }

  Result<TreePtr> group(std::size_t depth) {
    at_ += looking_at(U"(?:") ? 3 : 1;
    auto tree = alternatives(depth + 1);
    if (tree && !skip(')')) return wrong("a group without its ')'");
    return tree;
  }

  Result<TreePtr> escape() {
    if (looking_at(U"\\b") || looking_at(U"\\B")) {
      bool const negated = text_[at_ + 1] == 'B';
      at_ += 2;
      return assertion_tree(negated ? Pattern::Op::not_word : Pattern::Op::word);
    }
    auto ranges = escaped_ranges();
    if (!ranges) return std::unexpected(std::move(ranges).error());
    return set_tree(*std::move(ranges));
  }

  // Behind a backslash: a class, or one character.
  Result<Ranges> escaped_ranges() {
    ++at_;
    if (at_end()) return wrong("a lone '\\' at the end");
    if (auto ranges = class_escape(text_[at_])) {
      ++at_;
      return *std::move(ranges);
    }
    auto const c = escaped_char();
    if (!c) return std::unexpected(c.error());
    return Ranges{{*c, *c}};
  }

  Result<char32_t> escaped_char() {
    char32_t const c = text_[at_];
    ++at_;
    switch (c) {
      case 't':
        return U'\t';
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 'f':
        return U'\f';
      case 'v':
        return U'\v';
      case '0':
        return U'\0';
      case 'x':
        return hex(2);
      case 'u':
        return skip('{') ? braced_hex() : hex(4);
      default:
        break;
    }
    bool const punctuation =
        c < 0x80 && std::u32string_view{U"^$\\.*+?()[]{}|/-"}.find(c) != std::u32string_view::npos;
    if (punctuation) return c;
    --at_;
    return wrong("this escape");
  }

  static int hex_digit(char32_t c) {
    if (c >= '0' && c <= '9') return static_cast<int>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<int>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') return static_cast<int>(c - 'A') + 10;
    return -1;
  }

  Result<char32_t> hex(std::size_t count) {
    char32_t value = 0;
    for (std::size_t i = 0; i < count; ++i, ++at_) {
      int const digit = at_end() ? -1 : hex_digit(text_[at_]);
      if (digit < 0) return wrong("an escape with too few hexadecimal digits");
      value = value << 4 | static_cast<char32_t>(digit);
    }
    return value;
  }

  Result<char32_t> braced_hex() {
    char32_t value = 0;
    std::size_t const start = at_;
    for (; !at_end() && hex_digit(text_[at_]) >= 0 && value <= kCodePointMax; ++at_)
      value = value << 4 | static_cast<char32_t>(hex_digit(text_[at_]));
    if (at_ == start || value > kCodePointMax || !skip('}')) return wrong("this code point");
    return value;
  }

  Result<TreePtr> bracket() {
    ++at_;
    bool const negated = skip('^');
    Ranges ranges;
    while (!at_end() && text_[at_] != ']') {
      auto first = bracket_item();
      if (!first) return std::unexpected(std::move(first).error());
      bool const range = looking_at(U"-") && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
      if (!range) {
        ranges.insert(ranges.end(), first->begin(), first->end());
        continue;
      }
      ++at_;
      auto const last = bracket_item();
      if (!last) return std::unexpected(last.error());
      if (!is_single(*first) || !is_single(*last) || first->front().first > last->front().first)
        return wrong("this range of characters");
      ranges.push_back({first->front().first, last->front().first});
    }
    if (!skip(']')) return wrong("a class without its ']'");
    ranges = normalise(std::move(ranges));
    return set_tree(negated ? complement(ranges) : std::move(ranges));
  }

  static bool is_single(Ranges const& ranges) {
    return ranges.size() == 1 && ranges.front().first == ranges.front().last;
  }

  Result<Ranges> bracket_item() {
    if (looking_at(U"\\b")) {
      at_ += 2;
      return Ranges{{8, 8}};  // inside a class, \b is backspace
    }
    if (text_[at_] == '\\') return escaped_ranges();
    char32_t const c = text_[at_];
    ++at_;
    return Ranges{{c, c}};
  }

  Result<TreePtr> quantified(TreePtr atom) {
    std::uint32_t count_min = 0;
    std::uint32_t count_max = kUnbounded;
    if (skip('*')) {
    } else if (skip('+')) {
      count_min = 1;
    } else if (skip('?')) {
      count_max = 1;
    } else if (looking_at(U"{")) {
      ++at_;
      auto const read = braces(count_min, count_max);
      if (!read) return std::unexpected(read.error());
    } else {
      return atom;
    }
    if (atom->kind == Tree::Kind::assertion) return wrong("a quantified assertion");
    skip('?');  // lazy: the same matches exist
    auto tree = std::make_unique<Tree>();
    tree->kind = Tree::Kind::repeat;
    tree->count_min = count_min;
    tree->count_max = count_max;
    tree->parts.push_back(std::move(atom));
    return tree;
  }

  Status braces(std::uint32_t& count_min, std::uint32_t& count_max) {
    auto const low = count();
    if (!low) return std::unexpected(low.error());
    count_min = *low;
    count_max = *low;
    if (skip(',')) {
      count_max = kUnbounded;
      if (!looking_at(U"}")) {
        auto const high = count();
        if (!high) return std::unexpected(high.error());
        count_max = *high;
      }
    }
    if (!skip('}') || count_max < count_min) return wrong("this {…}");
    return {};
  }

  Result<std::uint32_t> count() {
    std::uint32_t value = 0;
    std::size_t const start = at_;
    for (; !at_end() && text_[at_] >= '0' && text_[at_] <= '9' && value <= kRepeatMax; ++at_)
      value = value * 10 + static_cast<std::uint32_t>(text_[at_] - '0');
    if (at_ == start) return wrong("a {…} without a number");
    if (value > kRepeatMax) return wrong("a repetition above 1000");
    return value;
  }

  std::u32string text_;
  std::size_t at_ = 0;
};

class Writer {
 public:
  std::vector<Pattern::Instruction> program;
  std::vector<Ranges> sets;

  // False once the program is over its bound.
  bool write(Tree const& tree) {
    // Counted apart from the program, which repeated empty groups do not grow.
    if (++writes_ > kWritesMax || program.size() > Pattern::kInstructionsMax) return false;
    switch (tree.kind) {
      case Tree::Kind::set:
        emit(Pattern::Op::set, set_number(tree));
        return true;
      case Tree::Kind::assertion:
        emit(tree.assertion);
        return true;
      case Tree::Kind::sequence:
        return std::ranges::all_of(tree.parts, [&](TreePtr const& part) { return write(*part); });
      case Tree::Kind::alternatives:
        return alternatives(tree);
      case Tree::Kind::repeat:
        return repeat(tree);
    }
    return true;
  }

  std::uint32_t emit(Pattern::Op op, std::uint32_t a = 0, std::uint32_t b = 0) {
    program.push_back({op, a, b});
    return static_cast<std::uint32_t>(program.size() - 1);
  }

 private:
  static constexpr std::size_t kWritesMax = 10 * Pattern::kInstructionsMax;

  // All copies of a repeated set share its ranges.
  std::uint32_t set_number(Tree const& tree) {
    auto const [known, is_new] =
        numbers_.try_emplace(&tree, static_cast<std::uint32_t>(sets.size()));
    if (is_new) sets.push_back(tree.ranges);
    return known->second;
  }
  std::uint32_t here() const { return static_cast<std::uint32_t>(program.size()); }

  bool alternatives(Tree const& tree) {
    std::vector<std::uint32_t> jumps;
    for (std::size_t i = 0; i < tree.parts.size(); ++i) {
      if (i + 1 == tree.parts.size()) {
        if (!write(*tree.parts[i])) return false;
        break;
      }
      std::uint32_t const split = emit(Pattern::Op::split);
      program[split].a = here();
      if (!write(*tree.parts[i])) return false;
      jumps.push_back(emit(Pattern::Op::jump));
      program[split].b = here();
    }
    for (std::uint32_t const jump : jumps)
      program[jump].a = here();
    return true;
  }

  bool repeat(Tree const& tree) {
    Tree const& body = *tree.parts.front();
    for (std::uint32_t i = 0; i < tree.count_min; ++i)
      if (!write(body)) return false;
    if (tree.count_max == kUnbounded) {
      std::uint32_t const split = emit(Pattern::Op::split);
      program[split].a = here();
      if (!write(body)) return false;
      emit(Pattern::Op::jump, split);
      program[split].b = here();
      return true;
    }
    std::vector<std::uint32_t> splits;
    for (std::uint32_t i = tree.count_min; i < tree.count_max; ++i) {
      splits.push_back(emit(Pattern::Op::split));
      program[splits.back()].a = here();
      if (!write(body)) return false;
    }
    for (std::uint32_t const split : splits)
      program[split].b = here();
    return true;
  }

  std::size_t writes_ = 0;
  std::unordered_map<Tree const*, std::uint32_t> numbers_;
};

bool is_word(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

// The threads of one position: which instructions are live, each at most once.
class Threads {
 public:
  explicit Threads(std::size_t instructions) : seen_(instructions, 0) {}

  void clear() {
    live_.clear();
    ++generation_;
  }
  bool add(std::uint32_t at) {
    if (seen_[at] == generation_) return false;
    seen_[at] = generation_;
    return true;
  }
  void wait(std::uint32_t at) { live_.push_back(at); }
  std::vector<std::uint32_t> const& live() const { return live_; }

 private:
  std::vector<std::uint32_t> live_;
  std::vector<std::size_t> seen_;
  std::size_t generation_ = 1;
};

class Machine {
 public:
  Machine(std::vector<Pattern::Instruction> const& program, std::u32string const& text)
      : program_(program), text_(text), threads_(program.size()), next_(program.size()) {}

  bool run(std::vector<Ranges> const& sets) {
    for (std::size_t at = 0;; ++at) {
      if (follow(threads_, 0, at)) return true;  // a match may start at any position
      if (at == text_.size()) return false;
      next_.clear();
      for (std::uint32_t const thread : threads_.live())
        if (contains(sets[program_[thread].a], text_[at]) && follow(next_, thread + 1, at + 1))
          return true;
      std::swap(threads_, next_);
    }
  }

 private:
  bool holds(Pattern::Op op, std::size_t at) const {
    if (op == Pattern::Op::text_start) return at == 0;
    if (op == Pattern::Op::text_end) return at == text_.size();
    bool const before = at > 0 && is_word(text_[at - 1]);
    bool const after = at < text_.size() && is_word(text_[at]);
    return (before != after) == (op == Pattern::Op::word);
  }

  // Adds the threads reachable from `start` without a character; true when one of them matches.
  bool follow(Threads& threads, std::uint32_t start, std::size_t at) {
    stack_.assign(1, start);
    while (!stack_.empty()) {
      std::uint32_t const pc = stack_.back();
      stack_.pop_back();
      if (!threads.add(pc)) continue;
      auto const& instruction = program_[pc];
      switch (instruction.op) {
        case Pattern::Op::match:
          return true;
        case Pattern::Op::set:
          threads.wait(pc);
          break;
        case Pattern::Op::jump:
          stack_.push_back(instruction.a);
          break;
        case Pattern::Op::split:
          stack_.push_back(instruction.b);
          stack_.push_back(instruction.a);
          break;
        default:
          if (holds(instruction.op, at)) stack_.push_back(pc + 1);
      }
    }
    return false;
  }

  std::vector<Pattern::Instruction> const& program_;
  std::u32string const& text_;
  Threads threads_;
  Threads next_;
  std::vector<std::uint32_t> stack_;
};

}  // namespace

Result<Pattern> Pattern::compile(std::string_view source) {
  if (source.size() > kSourceBytesMax)
    return fail(ErrorCode::too_large, "the pattern has {} bytes, over the limit of {}",
                source.size(), kSourceBytesMax);
  auto const tree = Parser{source}.parse();
  if (!tree) return std::unexpected(tree.error());
  Writer writer;
  bool const fits = writer.write(**tree);
  writer.emit(Op::match);
  if (!fits || writer.program.size() > kInstructionsMax)
    return fail(ErrorCode::too_large,
                "the pattern '{}' expands to more than {} steps; repeat less with {{n,m}}",
                printable(source), kInstructionsMax);
  Pattern pattern;
  pattern.source_ = std::string{source};
  pattern.program_ = std::move(writer.program);
  pattern.sets_ = std::move(writer.sets);
  return pattern;
}

bool Pattern::search(std::string_view text) const {
  std::u32string const decoded = code_points(text);
  return Machine{program_, decoded}.run(sets_);
}

}  // namespace drover
