#pragma once
// JSON as JavaScript writes it: files of a run directory are compared byte for byte with those of
// other tools, and the checksum of a journal entry is over its text. Pure.
#include <string>
#include <string_view>

#include "base/json.h"

namespace drover::workflow {

// JSON.stringify(value, null, 2) and a newline: the text of every JSON file of a run directory.
[[nodiscard]] std::string file_text(json::value const& value);
// JSON.stringify(value, null, 2), without the newline.
[[nodiscard]] std::string pretty_text(json::value const& value);
// JSON.stringify(value).
[[nodiscard]] std::string compact_text(json::value const& value);
// As above; members whose names are array indices come first, ascending, as in a JavaScript object.

// How JavaScript prints a number: shortest digits that read back the same, 1e+21, and 0 for -0.
[[nodiscard]] std::string number_text(double value);

}  // namespace drover::workflow
