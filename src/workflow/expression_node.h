#pragma once
// An expression as a tree; expression_parser.cc makes it, expression.cc walks it.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace drover::workflow {

struct ExpressionNode {
  enum class Kind : std::uint8_t {
    literal,
    name,
    member,  // of[0].text
    index,   // of[0][of[1]]
    list,
    map,     // key, value, key, value, …
    unary,   // text: ! -
    binary,  // text: + - * / % == != < <= > >= in && ||
    choice,  // of[0] ? of[1] : of[2]
    call,    // text(of…)
    method,  // of[0].text(of[1]…)
    each,    // of[0].text(variable, of[1]): map filter all exists
  };
  Kind kind = Kind::literal;
  std::string text{};
  std::string variable{};
  json::value value{};
  std::vector<std::unique_ptr<ExpressionNode>> of{};
  std::size_t at = 0;  // in the text, for messages
};

// The whole of `text`, or up to a `}` where `at` is given, which is then where that is.
[[nodiscard]] Result<std::unique_ptr<ExpressionNode>> parse_expression(std::string_view text,
                                                                       std::size_t* at);

}  // namespace drover::workflow
