#pragma once
// A configuration document as JSON values: TOML 1.0 or JSON, by the name's ending. Pure;
// thread-safe.
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace drover {

inline constexpr int kConfigDepthMax = 64;

// TOML's dates and times become text in RFC 3339's form. invalid_argument names line and column,
// and for a name that ends neither in .toml nor in .json what is read.
[[nodiscard]] Result<json::value> parse_config(std::string_view name, std::string_view text);
[[nodiscard]] bool is_config_name(std::string_view name);

}  // namespace drover
