#pragma once
// The published JSON Schemas (contracts/*.schema.json), embedded in the program and compiled on
// first use. Thread-safe.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/schema.h"

namespace drover::contract {

enum class Contract : std::uint8_t {
  unit,
  runtime,
  event,
  workspace,
  schedule,
  identity,
  task,
  queue,
  pool,
  agent
};
inline constexpr std::size_t kContractCount = 10;

struct EmbeddedSchema {
  std::string_view name;  // "unit.v1"
  std::string_view text;
};
// In the order of the enum.
extern std::array<EmbeddedSchema, kContractCount> const kEmbeddedSchemas;

// The file's text, to be served or printed.
[[nodiscard]] std::string_view schema_text(Contract contract);
// One definition of a contract, such as (unit, "invocation"). A name that the file lacks is a
// defect of the caller and aborts.
[[nodiscard]] Schema schema_of(Contract contract, std::string_view definition);

// Parses `text` and checks it. The error's message starts with the JSON pointer of what does not
// fit: "/workspaces/0/mode: expected one of …".
[[nodiscard]] Result<json::value> parse_checked(Contract contract, std::string_view definition,
                                                std::string_view text);
[[nodiscard]] Status check(Contract contract, std::string_view definition,
                           json::value const& value);

}  // namespace drover::contract
