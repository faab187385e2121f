#pragma once
// One history: a server on a simulated machine, workers and clients around it, and what goes wrong.
// All of it follows from the seed. It has a time of faults, then everything is mended, and it has
// to come to rest: every run that was accepted has ended.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/agenda.h"
#include "sim/audit.h"
#include "sim/client.h"
#include "sim/disk.h"
#include "sim/faults.h"
#include "sim/network.h"
#include "sim/server.h"
#include "sim/sim_worker.h"
#include "sim/trace.h"

namespace drover::sim {

struct WorldOptions {
  std::uint64_t seed = 1;
  FaultSet faults = FaultSet::all();  // that may occur; a history has some of them
  Defect defect = Defect::none;
  TraceMode trace = TraceMode::hash;
};

struct Played {
  std::optional<std::string> violation;  // at which step, of what
  std::uint64_t hash = 0;
  std::uint64_t steps = 0;
  std::size_t runs = 0;
  std::size_t lives = 0;  // of the server
};

// Plays the history of that seed to its end, or to the first invariant that does not hold.
[[nodiscard]] Played play(WorldOptions const& options);

}  // namespace drover::sim
