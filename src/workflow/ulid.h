#pragma once
// Ids that sort by time, in the upper-case spelling of run directories. Pure but for Random.
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/time.h"

namespace drover::workflow {

[[nodiscard]] bool is_ulid(std::string_view text);

// A ULID of `now` that is above `floor`, also where the clock went backwards or stands still.
// Another tool's floor may be anything that sorts; one that is no ULID only has to stay below.
[[nodiscard]] std::string next_ulid(WallTime now, Random& random, std::string_view floor);

}  // namespace drover::workflow
