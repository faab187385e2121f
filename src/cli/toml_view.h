#pragma once
// A JSON object as TOML 1.0, for people to edit: plain members first, then tables. Pure.
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace drover::cli {

// Read by parse_config() it gives the same object. unsupported, with the member's JSON pointer, for
// what TOML has no form for: null, and whole numbers beyond 64 bits with a sign.
[[nodiscard]] Result<std::string> render_toml(json::object const& object);

}  // namespace drover::cli
