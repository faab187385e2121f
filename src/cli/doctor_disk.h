#pragma once
// What the state folder stands on: whether it lasts, and how long a sync of it takes. Blocks.
#include <string>

#include "base/time.h"
#include "sandbox/probe.h"

namespace drover::cli {

struct DiskFacts {
  std::string folder{};
  bool in_memory = false;  // gone with the machine's power
  Millis sync{0};          // the median of a few
  std::uint64_t free_mb = 0;
};
// Of the folder, or where it does not exist yet of the nearest one above it. Leaves nothing.
[[nodiscard]] Result<DiskFacts> disk_facts(std::string const& folder);
[[nodiscard]] sandbox::Layer disk_layer(DiskFacts const& facts);

}  // namespace drover::cli
