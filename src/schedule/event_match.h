#pragma once
// Which schedules an event concerns. Pure.
#include <string_view>

#include "base/json.h"
#include "contract/schedule.h"

namespace drover::schedule {

// The value at a JSON pointer (RFC 6901); nullptr where there is none.
[[nodiscard]] json::value const* value_at(json::value const& value, std::string_view pointer);

// `event` as contract::to_json prints it. Numbers are equal by value, so 1 fits 1.0.
[[nodiscard]] bool matches(contract::EventTrigger const& trigger, json::value const& event);

}  // namespace drover::schedule
