#pragma once
// `{{event.data.title}}` in a prompt: simple look-ups in the event, never evaluated. Pure.
//
// A placeholder is `{{`, a path of names or array indices with dots between, and `}}`; spaces
// around the path are allowed. `event` has type, source, id, subject, time and data. Text comes as
// it is, anything else as JSON, what is absent as nothing. What is inserted is not looked at again,
// and what is no placeholder of `event` is left alone.
#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace drover::schedule {

// Of one inserted value; a longer one is cut and says so.
inline constexpr std::size_t kInsertedBytesMax = std::size_t{16} << 10U;
// Of the filled text; too_large above.
inline constexpr std::size_t kFilledBytesMax = std::size_t{1} << 20U;

[[nodiscard]] Result<std::string> fill_placeholders(std::string_view text,
                                                    json::value const& event);

}  // namespace drover::schedule
