#pragma once
// What stands under a transcript: how the run ended, its commits, its phases, tokens and cost.
// Pure. Takes the `turn-complete` event or a Run of the API; both have the same members.
#include <string>

#include "base/json.h"
#include "cli/style.h"

namespace drover::cli {

// "✔ succeeded (completed) in 12.3 s, 5 turns" and its detail.
[[nodiscard]] std::string render_outcome(json::object const& run, Style const& style);
// A line for each commit; empty when there is none.
[[nodiscard]] std::string render_commits(json::object const& run, Style const& style);
// The table of phases and the line of tokens and cost.
[[nodiscard]] std::string render_costs(json::object const& run, Style const& style);

// 0 succeeded, 4 waiting for a human, 1 any other end.
[[nodiscard]] int exit_code_of_state(std::string_view state);
[[nodiscard]] bool is_terminal_state(std::string_view state);
[[nodiscard]] Paint paint_of_state(std::string_view state);

}  // namespace drover::cli
