#include "workflow/expression.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "workflow/expression_node.h"
#include "workflow/js_text.h"

namespace drover::workflow {

namespace {

using Kind = ExpressionNode::Kind;
using Node = ExpressionNode;

template <class... Arguments>
std::unexpected<Error> unfit(fmt::format_string<Arguments...> form, Arguments&&... arguments) {
  return fail(ErrorCode::invalid_argument, "{}",
              fmt::format(form, std::forward<Arguments>(arguments)...));
}

bool is_whole(json::value const& value) {
  return value.is_int64() ||
         (value.is_uint64() && value.get_uint64() <= static_cast<std::uint64_t>(INT64_MAX));
}

std::string text_form(json::value const& value) {
  if (value.is_string()) return std::string{value.get_string()};
  return compact_text(value);
}

// Less than, as -1, 0, 1; nullopt: these have no order.
std::optional<int> compare(json::value const& left, json::value const& right) {
  auto const sign = [](auto const& a, auto const& b) { return a < b ? -1 : (b < a ? 1 : 0); };
  if (is_whole(left) && is_whole(right))
    return sign(left.to_number<std::int64_t>(), right.to_number<std::int64_t>());
  if (left.is_number() && right.is_number())
    return sign(left.to_number<double>(), right.to_number<double>());
  if (left.is_string() && right.is_string())
    return sign(std::string_view{left.get_string()}, std::string_view{right.get_string()});
  return std::nullopt;
}

bool equal(json::value const& left, json::value const& right) {
  if (left.is_number() && right.is_number()) return compare(left, right) == 0;
  return left == right;
}

Result<json::value> whole_arithmetic(char operation, std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  bool over = false;
  switch (operation) {
    case '+':
      over = __builtin_add_overflow(left, right, &result);
      break;
    case '-':
      over = __builtin_sub_overflow(left, right, &result);
      break;
    case '*':
      over = __builtin_mul_overflow(left, right, &result);
      break;
    default:
      if (right == 0) return unfit("{} {} 0", left, operation);
      // Its negative is no number of 64 bits.
      over = left == INT64_MIN && right == -1;
      if (!over) result = operation == '/' ? left / right : left % right;
  }
  if (over) return unfit("{} {} {} is no number of 64 bits", left, operation, right);
  return json::value(result);
}

Result<json::value> arithmetic(std::string_view operation, json::value const& left,
                               json::value const& right) {
  if (operation == "+" && left.is_string() && right.is_string())
    return json::value(text_form(left) + text_form(right));
  if (operation == "+" && left.is_array() && right.is_array()) {
    json::array both = left.get_array();
    both.insert(both.end(), right.get_array().begin(), right.get_array().end());
    return json::value(std::move(both));
  }
  if (!left.is_number() || !right.is_number())
    return unfit("'{}' stands between numbers{}, and here between {} and {}", operation,
                 operation == "+" ? ", texts or lists" : "", json_type_name(left),
                 json_type_name(right));
  if (is_whole(left) && is_whole(right))
    return whole_arithmetic(operation.front(), left.to_number<std::int64_t>(),
                            right.to_number<std::int64_t>());
  double const a = left.to_number<double>();
  double const b = right.to_number<double>();
  double const result = operation == "+"   ? a + b
                        : operation == "-" ? a - b
                        : operation == "*" ? a * b
                        : operation == "/" ? a / b
                                           : std::fmod(a, b);
  if (!std::isfinite(result)) return unfit("{} {} {} is no number", a, operation, b);
  return json::value(result);
}

class Walk {
 public:
  explicit Walk(json::object const& names) : names_(names) {}

  Result<json::value> of(Node const& node) {
    if (++steps_ > Expression::kStepsMax) return unfit("it takes too many steps");
    switch (node.kind) {
      case Kind::literal:
        return node.value;
      case Kind::name:
        return named(node);
      case Kind::member:
        return member(node);
      case Kind::index:
        return index(node);
      case Kind::list:
        return list(node);
      case Kind::map:
        return map(node);
      case Kind::unary:
        return unary(node);
      case Kind::binary:
        return binary(node);
      case Kind::choice:
        return choice(node);
      case Kind::call:
        return call(node);
      case Kind::method:
        return method(node);
      case Kind::each:
        return each(node);
    }
    return unfit("it is no expression");
  }

 private:
  Result<json::value> named(Node const& node) const {
    for (auto bound = bound_.rbegin(); bound != bound_.rend(); ++bound)
      if (bound->first == node.text) return bound->second;
    if (auto const* const found = names_.if_contains(node.text)) return *found;
    std::string known;
    for (auto const& member : names_)
      known += fmt::format("{}{}", known.empty() ? "" : ", ", std::string_view{member.key()});
    return unfit("there is no '{}' here, only {}", node.text, known);
  }

  Result<bool> truth(Node const& node) {
    auto const value = of(node);
    if (!value) return std::unexpected(value.error());
    if (value->is_bool()) return value->get_bool();
    return unfit("a condition is true or false, and here it is {}", json_type_name(*value));
  }

  Result<json::value> member(Node const& node) {
    auto const object = of(*node.of[0]);
    if (!object) return object;
    return member_of(*object, node.text);
  }

  static Result<json::value> member_of(json::value const& object, std::string_view name) {
    if (!object.is_object())
      return unfit("'{}' would be a member of {}", name, json_type_name(object));
    if (auto const* const found = object.get_object().if_contains(name)) return *found;
    return unfit("there is no member '{}'", printable(name));
  }

  Result<json::value> index(Node const& node) {
    auto const whole = of(*node.of[0]);
    if (!whole) return whole;
    auto const key = of(*node.of[1]);
    if (!key) return key;
    if (key->is_string()) return member_of(*whole, key->get_string());
    if (!whole->is_array() || !is_whole(*key))
      return unfit("{} has no item {}", json_type_name(*whole), text_form(*key));
    auto const at = key->to_number<std::int64_t>();
    auto const& items = whole->get_array();
    if (at < 0 || static_cast<std::size_t>(at) >= items.size())
      return unfit("a list of {} items has no item {}", items.size(), at);
    return items[static_cast<std::size_t>(at)];
  }

  Result<json::value> list(Node const& node) {
    json::array items;
    for (auto const& each : node.of) {
      auto value = of(*each);
      if (!value) return value;
      items.push_back(*std::move(value));
    }
    return json::value(std::move(items));
  }

  Result<json::value> map(Node const& node) {
    json::object members;
    for (std::size_t i = 0; i + 1 < node.of.size(); i += 2) {
      auto const key = of(*node.of[i]);
      if (!key) return key;
      if (!key->is_string()) return unfit("the name of a member is a text");
      auto value = of(*node.of[i + 1]);
      if (!value) return value;
      members[key->get_string()] = *std::move(value);
    }
    return json::value(std::move(members));
  }

  Result<json::value> unary(Node const& node) {
    if (node.text == "!") {
      auto const value = truth(*node.of[0]);
      if (!value) return std::unexpected(value.error());
      return json::value(!*value);
    }
    auto const value = of(*node.of[0]);
    if (!value) return value;
    return arithmetic("-", json::value(0), *value);
  }

  Result<json::value> binary(Node const& node) {
    if (node.text == "&&" || node.text == "||") {
      auto const left = truth(*node.of[0]);
      if (!left) return std::unexpected(left.error());
      if (*left == (node.text == "||")) return json::value(*left);
      auto const right = truth(*node.of[1]);
      if (!right) return std::unexpected(right.error());
      return json::value(*right);
    }
    auto const left = of(*node.of[0]);
    if (!left) return left;
    auto const right = of(*node.of[1]);
    if (!right) return right;
    if (node.text == "==") return json::value(equal(*left, *right));
    if (node.text == "!=") return json::value(!equal(*left, *right));
    if (node.text == "in") return contained(*left, *right);
    if (node.text.front() != '<' && node.text.front() != '>')
      return arithmetic(node.text, *left, *right);
    auto const order = compare(*left, *right);
    if (!order)
      return unfit("{} and {} have no order", json_type_name(*left), json_type_name(*right));
    bool const or_equal = node.text.size() == 2 && *order == 0;
    return json::value(or_equal || *order == (node.text.front() == '<' ? -1 : 1));
  }

  static Result<json::value> contained(json::value const& item, json::value const& whole) {
    if (whole.is_object() && item.is_string())
      return json::value(whole.get_object().contains(item.get_string()));
    if (!whole.is_array()) return unfit("nothing is in {}", json_type_name(whole));
    for (auto const& each : whole.get_array())
      if (equal(item, each)) return json::value(true);
    return json::value(false);
  }

  Result<json::value> choice(Node const& node) {
    auto const condition = truth(*node.of[0]);
    if (!condition) return std::unexpected(condition.error());
    return of(*node.of[*condition ? 1 : 2]);
  }

  // Whether a path of members leads somewhere.
  Result<json::value> has(Node const& node) {
    if (node.of.size() != 1 || node.of[0]->kind != Kind::member)
      return unfit("has() takes a member, as has(steps.build.output)");
    auto const object = of(*node.of[0]->of[0]);
    if (!object) return object;
    auto const* const members = object->if_object();
    return json::value(members != nullptr && members->contains(node.of[0]->text));
  }

  Result<json::value> call(Node const& node) {
    if (node.text == "has") return has(node);
    if (node.of.size() != 1) return unfit("{}() takes one argument", node.text);
    auto const value = of(*node.of[0]);
    if (!value) return value;
    if (node.text == "size") return size_of(*value);
    if (node.text == "string") return json::value(text_form(*value));
    if (node.text == "int" || node.text == "double") return number(node.text, *value);
    return unfit("there is no function {}()", node.text);
  }

  static Result<json::value> size_of(json::value const& value) {
    if (auto const* const items = value.if_array()) return json::value(items->size());
    if (auto const* const members = value.if_object()) return json::value(members->size());
    if (auto const* const text = value.if_string()) {
      std::int64_t points = 0;
      for (char const c : *text)
        if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) ++points;
      return json::value(points);
    }
    return unfit("{} has no size", json_type_name(value));
  }

  static Result<json::value> number(std::string_view name, json::value const& value) {
    double number = 0;
    if (value.is_string()) {
      auto const& text = value.get_string();
      auto const* const end = text.data() + text.size();
      std::int64_t whole = 0;
      auto const as_whole = std::from_chars(text.data(), end, whole);
      if (name == "int" && as_whole.ec == std::errc{} && as_whole.ptr == end)
        return json::value(whole);
      auto const parsed = std::from_chars(text.data(), end, number);
      if (parsed.ec != std::errc{} || parsed.ptr != end || !std::isfinite(number))
        return unfit("'{}' is no number", printable(text));
    } else if (is_whole(value) && name == "int") {
      return value;
    } else if (value.is_number()) {
      number = value.to_number<double>();
    } else {
      return unfit("{} is no number", json_type_name(value));
    }
    if (name == "double") return json::value(number);
    constexpr double kWholeMax = 9.2e18;
    if (std::abs(number) > kWholeMax) return unfit("{} is too large for int()", number);
    return json::value(static_cast<std::int64_t>(number));
  }

  Result<json::value> method(Node const& node) {
    auto const self = of(*node.of[0]);
    if (!self) return self;
    if (node.text == "size" && node.of.size() == 1) return size_of(*self);
    if (node.of.size() != 2)
      return unfit("there is no .{}() of {} arguments", node.text, node.of.size() - 1);
    auto const argument = of(*node.of[1]);
    if (!argument) return argument;
    if (node.text == "contains" && self->is_array()) return contained(*argument, *self);
    if (!argument->is_string()) return unfit(".{}() takes a text", node.text);
    std::string_view const word = argument->get_string();
    if (node.text == "join" && self->is_array()) return joined(self->get_array(), word);
    if (!self->is_string()) return unfit("{} has no .{}()", json_type_name(*self), node.text);
    std::string_view const text = self->get_string();
    if (node.text == "contains") return json::value(text.contains(word));
    if (node.text == "startsWith") return json::value(text.starts_with(word));
    if (node.text == "endsWith") return json::value(text.ends_with(word));
    return unfit("there is no .{}()", node.text);
  }

  static Result<json::value> joined(json::array const& items, std::string_view between) {
    std::string text;
    for (auto const& item : items)
      text += (&item == &items.front() ? "" : std::string{between}) + text_form(item);
    return json::value(text);
  }

  Result<json::value> each(Node const& node) {
    auto const whole = of(*node.of[0]);
    if (!whole) return whole;
    if (!whole->is_array()) return unfit(".{}() is of a list", node.text);
    json::array found;
    for (auto const& item : whole->get_array()) {
      bound_.emplace_back(node.variable, item);
      auto value = of(*node.of[1]);
      bound_.pop_back();
      if (!value) return value;
      if (node.text == "map") {
        found.push_back(*std::move(value));
        continue;
      }
      if (!value->is_bool())
        return unfit("a condition is true or false, and here it is {}", json_type_name(*value));
      bool const holds = value->get_bool();
      if (node.text == "filter" && holds) found.push_back(item);
      if (node.text == "all" && !holds) return json::value(false);
      if (node.text == "exists" && holds) return json::value(true);
    }
    if (node.text == "all" || node.text == "exists") return json::value(node.text == "all");
    return json::value(std::move(found));
  }

  json::object const& names_;
  std::vector<std::pair<std::string, json::value>> bound_;
  std::size_t steps_ = 0;
};

// Calls `plain` and `expression` for the parts of a text, in their order.
template <class Plain, class Part>
Status walk_text(std::string_view text, Plain const& plain, Part const& expression) {
  for (std::size_t at = 0; at < text.size();) {
    auto const next = text.find("${", at);
    bool const is_escaped = next != std::string_view::npos && next > at && text[next - 1] == '$';
    plain(
        text.substr(at, next == std::string_view::npos ? next : next - at - (is_escaped ? 1 : 0)));
    if (next == std::string_view::npos) return {};
    at = next + 2;
    if (is_escaped) {
      plain("${");
      continue;
    }
    auto const parsed = Expression::parse_until_brace(text, at);
    if (!parsed) return std::unexpected(parsed.error());
    ++at;
    DROVER_TRY(expression(*parsed));
  }
  return {};
}

}  // namespace

Result<Expression> Expression::parse(std::string_view text) {
  auto root = parse_expression(text, nullptr);
  if (!root) return std::unexpected(root.error());
  return Expression{*std::move(root)};
}

Result<Expression> Expression::parse_until_brace(std::string_view text, std::size_t& at) {
  auto root = parse_expression(text, &at);
  if (!root) return std::unexpected(root.error());
  return Expression{*std::move(root)};
}

Result<json::value> Expression::evaluate(json::object const& names) const {
  return Walk{names}.of(*root_);
}

Status check_text(std::string_view text) {
  return walk_text(text, [](std::string_view) {}, [](Expression const&) { return Status{}; });
}

Result<json::value> render_text(std::string_view text, json::object const& names) {
  std::string rendered;
  std::optional<json::value> only;
  std::size_t parts = 0;
  bool has_plain = false;
  auto const plain = [&](std::string_view part) {
    has_plain = has_plain || !part.empty();
    rendered += part;
  };
  auto const expression = [&](Expression const& each) -> Status {
    auto value = each.evaluate(names);
    if (!value)
      return fail(ErrorCode::invalid_argument, "{}, in '{}'", value.error().message,
                  printable(text, 200));
    rendered += text_form(*value);
    if (++parts == 1) only = *std::move(value);
    return {};
  };
  DROVER_TRY(walk_text(text, plain, expression));
  if (parts == 1 && !has_plain) return *std::move(only);
  return json::value(rendered);
}

Result<json::value> render(json::value const& value, json::object const& names) {
  if (value.is_string()) return render_text(value.get_string(), names);
  if (auto const* const items = value.if_array()) {
    json::array rendered;
    for (auto const& item : *items) {
      auto each = render(item, names);
      if (!each) return each;
      rendered.push_back(*std::move(each));
    }
    return json::value(std::move(rendered));
  }
  auto const* const members = value.if_object();
  if (members == nullptr) return value;
  json::object rendered;
  for (auto const& member : *members) {
    auto each = render(member.value(), names);
    if (!each) return each;
    rendered.emplace(member.key(), *std::move(each));
  }
  return json::value(std::move(rendered));
}

}  // namespace drover::workflow
