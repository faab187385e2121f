#pragma once
// What tells agents from task types where commands speak of both: their words, their path in the
// API, and the one form that each definition has. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "cli/command_line.h"

namespace drover::cli {

struct DefinitionWords {
  std::string_view command;   // "agents", in the API's paths too
  std::string_view list;      // member of a listing
  std::string_view one;       // member that holds the definition
  std::string_view table;     // of a file with several: [[agent]]
  std::string_view kind;      // in the audit
  std::string_view noun;      // "task type"
  std::string_view document;  // that explains them
};
[[nodiscard]] DefinitionWords const& words_of(Definition kind);

// Behind ApiClient's own.
[[nodiscard]] std::string path_of(Definition kind, std::string_view name);
// The path of a change that is made from `revision`, by `actor`.
[[nodiscard]] std::string change_path(Definition kind, std::string_view name, std::int64_t revision,
                                      std::string_view actor);

// The definition as the server would keep it, with no member that says what is usual.
// invalid_argument begins with the JSON pointer of what does not fit.
[[nodiscard]] Result<json::object> checked_definition(Definition kind, json::value const& value);

// One as the server tells of it.
struct PresentDefinition {
  std::string name;
  std::string origin;  // "built-in", "api", "file"
  std::string file;
  std::int64_t revision = 0;
  json::object spec;
};
[[nodiscard]] Result<PresentDefinition> present_of(Definition kind, json::object const& item);

[[nodiscard]] bool flag_of(json::object const& spec, std::string_view member, bool usual);

}  // namespace drover::cli
