#pragma once
// What an apply would do: wanted definitions against those that the server has. Pure.
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/json_difference.h"
#include "cli/definition_words.h"
#include "cli/style.h"

namespace drover::cli {

// One of the input, checked.
struct WantedDefinition {
  std::string name;
  std::string place;  // "agents.toml, agent 2"
  json::object spec;
};

enum class PlannedAct : std::uint8_t { add, change, keep, remove };

struct PlannedChange {
  PlannedAct act = PlannedAct::keep;
  std::string name;
  std::int64_t revision = 0;  // that it is made from; 0: nothing is stored
  std::vector<JsonDifference> changes;
  json::object spec;  // of a removal what is removed
};

enum class Prune : std::uint8_t { no, yes };

// invalid_argument for two of one name, with both places. In the order of names, removals last.
[[nodiscard]] Status check_names(Definition kind, std::vector<WantedDefinition> const& wanted);
// conflict for one that a file of the server defines otherwise. Prunes what the API stored and
// nothing else.
[[nodiscard]] Result<std::vector<PlannedChange>> plan_apply(
    Definition kind, std::vector<WantedDefinition> wanted,
    std::vector<PresentDefinition> const& present, Prune prune);

[[nodiscard]] std::size_t count_of(std::vector<PlannedChange> const& plan, PlannedAct act);
[[nodiscard]] bool changes_nothing(std::vector<PlannedChange> const& plan);

// The sign, the name, and what differs.
[[nodiscard]] std::string render_planned(PlannedChange const& change, Style const& style);
// "added", "changed", "unchanged", "deleted".
[[nodiscard]] std::string_view word_of(PlannedAct act);

}  // namespace drover::cli
