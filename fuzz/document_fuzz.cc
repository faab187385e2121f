// Workflows as YAML, which anybody may write: no crash, a bounded time, and a message with a place
// for whatever is refused. What follows the first NUL is an expression.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "workflow/document.h"
#include "workflow/expression.h"

namespace workflow = drover::workflow;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  auto const nul = text.find('\0');
  auto const document = workflow::parse_document(text.substr(0, nul), "f.yaml");
  if (document ? document->steps.empty() : document.error().message.empty()) std::abort();
  if (nul == std::string_view::npos) return 0;
  auto const expression = text.substr(nul + 1);
  static auto const names = drover::parse_json(
      R"({"inputs": {"n": 3, "s": "a", "l": [1, "b", null, {"x": 0.5}]}, "steps": {}, "vars": {}})");
  auto const parsed = workflow::Expression::parse(expression);
  if (parsed) (void)parsed->evaluate(names->as_object());
  bool const checked = workflow::check_text(expression).has_value();
  // What can be rendered was right.
  if (workflow::render_text(expression, names->as_object()) && !checked) std::abort();
  return 0;
}
