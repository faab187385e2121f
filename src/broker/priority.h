#pragma once
// The four levels of priority, and the integers that stand for them.
//
//   critical  10 and above      high  1 to 9      normal  0      low  below 0
//
// Within a level nothing but fairness between tenants and the order of enqueueing counts.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace drover::broker {

enum class PriorityLevel : std::uint8_t { critical, high, normal, low };  // in the order of going
inline constexpr std::size_t kPriorityLevels = 4;

[[nodiscard]] PriorityLevel level_of(std::int64_t priority);
// The integer that stands for a level.
[[nodiscard]] std::int64_t priority_of(PriorityLevel level);
[[nodiscard]] std::string_view to_string(PriorityLevel level);
[[nodiscard]] Result<PriorityLevel> parse_priority_level(std::string_view text);

}  // namespace drover::broker
