#pragma once
// Expressions in workflow documents: a part of CEL (Common Expression Language), over JSON. They
// have no side effects and no loops but over lists, and so they end. Pure.
//
//   steps.build.success && size(inputs.repositories) > 1
//   inputs.repositories.filter(r, r.stars > 3).map(r, r.name)
//
// Literals, lists, maps; . and []; ! - * / % + == != < <= > >= in && || ?:; size, string, int,
// double, has(a.b); on texts contains, startsWith, endsWith, on lists join, map, filter, all,
// exists. A condition is true or false and nothing else; a name or member that is not there is an
// error.
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace drover::workflow {

struct ExpressionNode;

class Expression {
 public:
  static constexpr std::size_t kBytesMax = 10'000;
  static constexpr std::size_t kDepthMax = 100;
  // Of one evaluation, which nested lists could make long.
  static constexpr std::size_t kStepsMax = 1'000'000;

  // invalid_argument, with the column.
  [[nodiscard]] static Result<Expression> parse(std::string_view text);
  // Of the text from `at` to a `}` that is not its own; `at` is then that.
  [[nodiscard]] static Result<Expression> parse_until_brace(std::string_view text, std::size_t& at);

  // invalid_argument: what it says does not fit what there is.
  [[nodiscard]] Result<json::value> evaluate(json::object const& names) const;

 private:
  explicit Expression(std::shared_ptr<ExpressionNode const> root) : root_(std::move(root)) {}
  // Shared, for it never changes.
  std::shared_ptr<ExpressionNode const> root_;
};

// A text with expressions in it, as "build ${inputs.target}"; $${ is a plain ${. One that is a
// single expression keeps its value; in others values stand as texts, and what is no text as JSON.
[[nodiscard]] Status check_text(std::string_view text);
[[nodiscard]] Result<json::value> render_text(std::string_view text, json::object const& names);
// All texts in a value; the names of members are left as they are.
[[nodiscard]] Result<json::value> render(json::value const& value, json::object const& names);

}  // namespace drover::workflow
