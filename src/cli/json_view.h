#pragma once
// JSON over several lines, for people to read, edit and hand back. Pure.
#include <string>

#include "base/json.h"
#include "cli/style.h"

namespace drover::cli {

// Two spaces a level; what has no member or fits beside its key stays on one line. Safe for a
// terminal where `style` is one's, and the same value everywhere.
[[nodiscard]] std::string render_json(json::value const& value, Style const& style);

}  // namespace drover::cli
