#pragma once
// A history of the fleet: its reconciler and rows on a simulated disk and clock, over an engine in
// memory that outlives the server. Agents are edited, people do things by hand, the engine is slow,
// away or loses answers, and the server dies between any two steps. Then all is mended, and it has
// to come to rest:
//   converges   each instance that is wanted runs once, as it is wanted, and nothing else of ours
//   is
//               there
//   state       no two ever run on one state, and none is lost or begun anew
//   foreign     what is not ours was never touched
//   calm        at rest the engine is asked once in a period
#include <cstdint>

#include "sim/world.h"

namespace drover::sim {

// `options` for its seed, defect-free, and its trace.
[[nodiscard]] Played play_fleet(WorldOptions const& options);

}  // namespace drover::sim
