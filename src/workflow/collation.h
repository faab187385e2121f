#pragma once
// The order in which JavaScript's localeCompare puts names, and values with their members in it.
// It enters the key of an effect (step_id.h), so that it has to be the same everywhere. Pure.
//
// ASCII and the Latin letters of U+00C0…U+017F are ordered as the Unicode root collation does
// (punctuation, digits, letters; é beside e; lower case before upper). Other characters come after
// them by code point, which is the collation's order within most scripts but not between cases.
#include <string_view>

#include "base/json.h"

namespace drover::workflow {

// Below, at or above 0 as `left` comes before, with or after `right`.
[[nodiscard]] int locale_compare(std::string_view left, std::string_view right);

// The value with the members of every object in that order.
[[nodiscard]] json::value sorted_members(json::value const& value);

}  // namespace drover::workflow
