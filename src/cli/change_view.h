#pragma once
// What differs between two definitions, for people: a line a member. Pure; safe for a terminal.
#include <string>
#include <string_view>
#include <vector>

#include "base/json_difference.h"
#include "cli/style.h"

namespace drover::cli {

// "/limits/max_turns" as people write it: "limits.max_turns".
[[nodiscard]] std::string member_words(std::string_view pointer);

// "    limits.max_turns  20 → 30"; a side that was not there is "(none)". A long side is shown from
// shortly before where the two part.
[[nodiscard]] std::string render_changes(std::vector<JsonDifference> const& changes,
                                         Style const& style);
// The same in one line of about `columns`: "limits.max_turns 20 → 30, prompt, tools".
[[nodiscard]] std::string brief_changes(std::vector<JsonDifference> const& changes,
                                        std::size_t columns);

}  // namespace drover::cli
