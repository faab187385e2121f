// Recursive descent, one function a level of binding:
//   choice  = or [ "?" choice ":" choice ]
//   or      = and { "||" and }             and = relation { "&&" relation }
//   relation= sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") sum ]
//   sum     = product { ("+" | "-") product }
//   product = unary { ("*" | "/" | "%") unary }
//   unary   = { "!" | "-" } postfix
//   postfix = primary { "." name [ "(" arguments ")" ] | "[" choice "]" }
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

#include "base/text.h"
#include "workflow/expression.h"
#include "workflow/expression_node.h"

namespace drover::workflow {

namespace {

using Node = std::unique_ptr<ExpressionNode>;
using Kind = ExpressionNode::Kind;

bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_each(std::string_view name) {
  return name == "map" || name == "filter" || name == "all" || name == "exists";
}

class Parser {
 public:
  Parser(std::string_view text, std::size_t at) : text_(text), at_(at) {}

  Result<Node> choice() {
    if (++depth_ > Expression::kDepthMax) return wrong("it is nested too deeply");
    auto condition = binary(0);
    if (!condition || !take("?")) {
      --depth_;
      return condition;
    }
    Node node = make(Kind::choice);
    node->of.push_back(*std::move(condition));
    auto then = choice();
    if (!then) return then;
    node->of.push_back(*std::move(then));
    if (!take(":")) return wrong("expected ':'");
    auto otherwise = choice();
    if (!otherwise) return otherwise;
    node->of.push_back(*std::move(otherwise));
    --depth_;
    return node;
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view{" \t\r\n"}.contains(text_[at_]))
      ++at_;
  }
  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] std::unexpected<Error> wrong(std::string_view what) const {
    return fail(ErrorCode::invalid_argument, "column {} of '{}': {}", at_ + 1,
                printable(text_, 200), what);
  }

 private:
  Node make(Kind kind) const {
    auto node = std::make_unique<ExpressionNode>();
    node->kind = kind;
    node->at = at_;
    return node;
  }
  bool take(std::string_view token) {
    skip_space();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  // The operator of a level that stands here; empty: none.
  std::string_view operator_of(std::size_t level) {
    static constexpr std::array<std::array<std::string_view, 7>, 5> kLevels = {{
        {"||"},
        {"&&"},
        {"==", "!=", "<=", ">=", "<", ">", "in"},
        {"+", "-"},
        {"*", "/", "%"},
    }};
    skip_space();
    for (auto const token : kLevels.at(level)) {
      if (token.empty() || !text_.substr(at_).starts_with(token)) continue;
      std::size_t const end = at_ + token.size();
      if (token == "in" && end < text_.size() && (starts_name(text_[end]) || is_digit(text_[end])))
        continue;
      at_ = end;
      return token;
    }
    return "";
  }

  Result<Node> binary(std::size_t level) {
    constexpr std::size_t kUnary = 5;
    constexpr std::size_t kRelation = 2;
    if (level == kUnary) return unary();
    auto left = binary(level + 1);
    while (left) {
      auto const token = operator_of(level);
      if (token.empty()) break;
      if (++chained_ > kLinksMax) return wrong("it is too long");
      Node node = make(Kind::binary);
      node->text = token;
      auto right = binary(level + 1);
      if (!right) return right;
      node->of.push_back(*std::move(left));
      node->of.push_back(*std::move(right));
      left = std::move(node);
      if (level == kRelation) break;
    }
    return left;
  }

  Result<Node> unary() {
    skip_space();
    char const c = at_ < text_.size() ? text_[at_] : '\0';
    bool const is_not = c == '!' && !text_.substr(at_).starts_with("!=");
    if (!is_not && c != '-') return postfix();
    if (++depth_ > Expression::kDepthMax) return wrong("it is nested too deeply");
    Node node = make(Kind::unary);
    node->text = c;
    ++at_;
    auto operand = unary();
    if (!operand) return operand;
    --depth_;
    node->of.push_back(*std::move(operand));
    return node;
  }

  Result<Node> postfix() {
    auto node = primary();
    while (node) {
      if (++links_ > kLinksMax) return wrong("it is too long");
      if (take("[")) {
        auto key = choice();
        if (!key) return key;
        if (!take("]")) return wrong("expected ']'");
        Node index = make(Kind::index);
        index->of.push_back(*std::move(node));
        index->of.push_back(*std::move(key));
        node = std::move(index);
      } else if (take(".")) {
        node = member(*std::move(node));
      } else {
        break;
      }
    }
    return node;
  }

  Result<Node> member(Node object) {
    auto const name = identifier();
    if (name.empty()) return wrong("expected the name of a member");
    Node node = make(Kind::member);
    node->text = name;
    node->of.push_back(std::move(object));
    if (!take("(")) return node;
    if (is_each(name)) return each(std::move(node));
    node->kind = Kind::method;
    return arguments(std::move(node), ")");
  }

  Result<Node> each(Node node) {
    node->kind = Kind::each;
    node->variable = identifier();
    if (node->variable.empty()) return wrong("expected a name for each item");
    if (!take(",")) return wrong("expected ','");
    auto body = choice();
    if (!body) return body;
    node->of.push_back(*std::move(body));
    if (!take(")")) return wrong("expected ')'");
    return node;
  }

  // Into node->of, up to `end`.
  Result<Node> arguments(Node node, std::string_view end) {
    if (take(end)) return node;
    for (;;) {
      auto argument = choice();
      if (!argument) return argument;
      node->of.push_back(*std::move(argument));
      if (node->kind == Kind::map) {
        if (!take(":")) return wrong("expected ':'");
        auto value = choice();
        if (!value) return value;
        node->of.push_back(*std::move(value));
      }
      if (take(end)) return node;
      if (!take(",")) return wrong(fmt::format("expected ',' or '{}'", end));
    }
  }

  std::string identifier() {
    skip_space();
    std::size_t const from = at_;
    if (at_ < text_.size() && starts_name(text_[at_]))
      while (at_ < text_.size() && (starts_name(text_[at_]) || is_digit(text_[at_])))
        ++at_;
    return std::string{text_.substr(from, at_ - from)};
  }

  Result<Node> primary() {
    skip_space();
    if (at_ >= text_.size()) return wrong("it ends too early");
    char const c = text_[at_];
    if (c == '"' || c == '\'') return quoted(c);
    if (is_digit(c)) return number();
    if (take("(")) {
      auto inner = choice();
      if (inner && !take(")")) return wrong("expected ')'");
      return inner;
    }
    if (take("[")) return arguments(make(Kind::list), "]");
    if (take("{")) return arguments(make(Kind::map), "}");
    Node node = make(Kind::name);
    node->text = identifier();
    if (node->text.empty()) return wrong("expected a value");
    if (node->text == "true" || node->text == "false") {
      node->kind = Kind::literal;
      node->value = node->text == "true";
    } else if (node->text == "null") {
      node->kind = Kind::literal;
    } else if (take("(")) {
      node->kind = Kind::call;
      return arguments(std::move(node), ")");
    }
    return node;
  }

  Result<Node> number() {
    Node node = make(Kind::literal);
    auto const* const begin = text_.data() + at_;
    auto const* const end = text_.data() + text_.size();
    std::int64_t whole = 0;
    auto const as_whole = std::from_chars(begin, end, whole);
    double fraction = 0;
    auto const as_fraction = std::from_chars(begin, end, fraction);
    if (as_fraction.ec != std::errc{}) return wrong("a number that is too large");
    if (as_fraction.ptr == as_whole.ptr) {
      if (as_whole.ec != std::errc{}) return wrong("a number that is too large");
      node->value = whole;
    } else {
      node->value = fraction;
    }
    at_ += static_cast<std::size_t>(as_fraction.ptr - begin);
    return node;
  }

  Result<Node> quoted(char quote) {
    Node node = make(Kind::literal);
    std::string text;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] != '\\') {
        text += text_[at_];
        continue;
      }
      constexpr std::string_view kNames = "nrt\\'\"";
      constexpr std::string_view kMeant = "\n\r\t\\'\"";
      auto const which = ++at_ < text_.size() ? kNames.find(text_[at_]) : std::string_view::npos;
      if (which == std::string_view::npos) return wrong("no such escape in a text");
      text += kMeant[which];
    }
    if (at_ >= text_.size()) return wrong("a text without its end");
    ++at_;
    node->value = text;
    return node;
  }

  // Trees are walked and destroyed by recursion.
  static constexpr std::size_t kLinksMax = 400;
  std::string_view text_;
  std::size_t at_;
  std::size_t depth_ = 0;
  std::size_t chained_ = 0;
  std::size_t links_ = 0;
};

}  // namespace

Result<std::unique_ptr<ExpressionNode>> parse_expression(std::string_view text, std::size_t* at) {
  if (text.size() > Expression::kBytesMax)
    return fail(ErrorCode::too_large, "a text with expressions has at most {} bytes",
                Expression::kBytesMax);
  Parser parser{text, at == nullptr ? 0 : *at};
  auto node = parser.choice();
  if (!node) return node;
  parser.skip_space();
  bool const ends = at == nullptr ? parser.at() == text.size()
                                  : parser.at() < text.size() && text[parser.at()] == '}';
  if (!ends) return parser.wrong(at == nullptr ? "expected its end" : "expected '}'");
  if (at != nullptr) *at = parser.at();
  return node;
}

}  // namespace drover::workflow
