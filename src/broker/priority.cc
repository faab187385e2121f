#include "broker/priority.h"

#include <array>

#include "base/text.h"

namespace drover::broker {

namespace {

struct Name {
  PriorityLevel level;
  std::string_view name;
  std::int64_t priority;
};

constexpr std::array<Name, kPriorityLevels> kNames = {{
    {PriorityLevel::critical, "critical", 10},
    {PriorityLevel::high, "high", 1},
    {PriorityLevel::normal, "normal", 0},
    {PriorityLevel::low, "low", -1},
}};

Name const& named(PriorityLevel level) {
  return kNames[static_cast<std::size_t>(level)];
}

}  // namespace

PriorityLevel level_of(std::int64_t priority) {
  for (Name const& name : kNames)
    if (priority >= name.priority) return name.level;
  return PriorityLevel::low;
}

std::int64_t priority_of(PriorityLevel level) {
  return named(level).priority;
}

std::string_view to_string(PriorityLevel level) {
  return named(level).name;
}

Result<PriorityLevel> parse_priority_level(std::string_view text) {
  for (Name const& name : kNames)
    if (text == name.name) return name.level;
  return fail(ErrorCode::invalid_argument, "'{}' is no priority: critical, high, normal or low",
              printable(text, 40));
}

}  // namespace drover::broker
