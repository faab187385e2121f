#pragma once
// A document that a command hands to the server: an object in TOML or JSON.
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace drover::cli {

inline constexpr std::size_t kDocumentBytesMax = std::size_t{4} << 20U;

// By the file's name; "-" is JSON from stdin. The error names the file and the place in it.
[[nodiscard]] Result<json::object> read_document(std::string const& file);

}  // namespace drover::cli
