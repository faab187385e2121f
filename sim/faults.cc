#include "sim/faults.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"

namespace drover::sim {

namespace {

constexpr std::array<std::string_view, kFaultCount> kFaults = {
    "kill-server", "power",     "sync-error",   "write-error", "disk-full", "slow-disk", "lose",
    "duplicate",   "partition", "pause-worker", "kill-worker", "clock",     "hand",      "redis"};
constexpr std::array<std::string_view, 15> kDefects = {
    "none",         "unfenced-worker", "unfenced-events", "lying-disk",     "early-answer",
    "no-trailer",   "wall-leases",     "deaf-heart",      "blind-eye",      "no-watch",
    "deaf-session", "no-rescue",       "early-end",       "trusting-relay", "free-calls"};

Error unknown(std::string_view what, std::string_view text, auto const& known) {
  return {ErrorCode::invalid_argument, fmt::format("there is no {} '{}'", what, text),
          fmt::format("known are {}", fmt::join(known, ", "))};
}

}  // namespace

Result<FaultSet> FaultSet::parse(std::string_view text) {
  if (text == "all") return all();
  FaultSet set = none();
  if (text == "none") return set;
  for (std::string_view const name : split(text, ',')) {
    auto const found = std::ranges::find(kFaults, name);
    if (found == kFaults.end()) return std::unexpected(unknown("fault", name, kFaults));
    set.add(static_cast<Fault>(found - kFaults.begin()));
  }
  return set;
}

std::string FaultSet::str() const {
  std::vector<std::string_view> names;
  for (int i = 0; i < kFaultCount; ++i)
    if (has(static_cast<Fault>(i))) names.push_back(kFaults[static_cast<std::size_t>(i)]);
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ","));
}

Result<Defect> parse_defect(std::string_view text) {
  auto const found = std::ranges::find(kDefects, text);
  if (found == kDefects.end()) return std::unexpected(unknown("defect", text, kDefects));
  return static_cast<Defect>(found - kDefects.begin());
}

std::string_view to_string(Defect defect) {
  return kDefects[static_cast<std::size_t>(defect)];
}

}  // namespace drover::sim
