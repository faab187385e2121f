#pragma once
// JSON Schema 2020-12 (https://json-schema.org/draft/2020-12), the part that contracts and tool
// arguments need, bounded in depth, work and output.
//
// Asserted: type, enum, const, properties, required, additionalProperties, patternProperties,
// propertyNames, min/maxProperties, dependentRequired, dependentSchemas, items, prefixItems,
// contains, min/maxContains, min/maxItems, uniqueItems, min/maxLength (code points), pattern (the
// subset of base/pattern.h), minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf,
// if/then/else, allOf, anyOf, oneOf, not, $ref (this document's "#…" and other documents' $id),
// format date-time and uri (lightly), and the boolean schemas.
// Annotations are accepted: title, description, $comment, default, examples, deprecated, readOnly,
// writeOnly. Other keywords of the specification ($anchor, $dynamicRef, unevaluatedProperties, …)
// are refused: a check that would be skipped silently is none.
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace drover {

struct Violation {
  std::string pointer;  // of the value that does not fit, or of the missing member; "" is the root
  std::string keyword;  // "required", "enum", …
  std::string message;  // "expected one of \"ro\", \"rw\", found \"x\""

  // `/workspaces/0/mode: expected one of …`; the root is written as "the document".
  [[nodiscard]] std::string text() const;
};

// Documents that others refer to, by their $id. Not thread-safe while it is being filled.
class SchemaSet {
 public:
  // invalid_argument without an $id, conflict when the $id is known already.
  [[nodiscard]] Status add(json::value document);
  [[nodiscard]] json::value const* find(std::string_view id) const;

 private:
  std::map<std::string, json::value, std::less<>> documents_;
};

// What to do with keywords that no specification knows.
enum class UnknownKeywords { refuse, ignore };

// Immutable; thread-safe; cheap to copy. Holds no reference to what it was compiled from.
class Schema {
 public:
  static constexpr std::size_t kDepthMax =
      512;  // of the walk, references and combinations included
  static constexpr std::size_t kStepsMax = 10'000'000;  // subschemas tried in one validation
  static constexpr std::size_t kViolationsMax = 32;     // reported; the rest is left out

  // invalid_argument with the schema's own pointer: a keyword that is unknown or of the wrong type,
  // a reference to nothing, a reference that leads to itself without going into the value.
  [[nodiscard]] static Result<Schema> compile(json::value const& document,
                                              SchemaSet const* others = nullptr,
                                              UnknownKeywords unknown = UnknownKeywords::refuse);

  // Empty when the value fits. The order is that of the schema's walk.
  [[nodiscard]] std::vector<Violation> validate(json::value const& value) const;
  // The first violation as invalid_argument; its message starts with the pointer.
  [[nodiscard]] Status check(json::value const& value) const;

  struct Program;

 private:
  explicit Schema(std::shared_ptr<Program const> program) : program_(std::move(program)) {}
  std::shared_ptr<Program const> program_;  // shared by copies
};

// The JSON pointer that the message of a contract or JSON error starts with; "" where there is
// none.
[[nodiscard]] std::string_view error_pointer(Error const& error);

}  // namespace drover
