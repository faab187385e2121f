#pragma once
// One history: a server on a simulated machine, workers and clients around it, and what goes wrong.
// All of it follows from the seed. It has a time of faults, then everything is mended, and it has
// to come to rest: every run that was accepted has ended.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/agenda.h"
#include "sim/audit.h"
#include "sim/client.h"
#include "sim/disk.h"
#include "sim/faults.h"
#include "sim/network.h"
#include "sim/repositories.h"
#include "sim/server.h"
#include "sim/sim_worker.h"
#include "sim/trace.h"

namespace drover::sim {

// One failure of an otherwise quiet history, at a place that is told.
struct FailPoint {
  enum class Kind : std::uint8_t {
    power_lost,   // at the n-th write or sync, and nothing that was not synced is there
    power_torn,   // and the last that was not synced is torn
    power_kept,   // and all of it is there
    disk_error,   // the n-th write or sync fails
    kill_server,  // before the n-th step
    kill_worker,  // likewise, and another is there later
  };
  Kind kind = Kind::power_lost;
  std::uint64_t nth = 1;
};
inline constexpr int kFailPointKinds = 6;
[[nodiscard]] std::string to_string(FailPoint const& point);  // "power-lost:17"
[[nodiscard]] Result<FailPoint> parse_fail_point(std::string_view text);

struct WorldOptions {
  std::uint64_t seed = 1;
  FaultSet faults = FaultSet::all();  // that may occur; a history has some of them
  Defect defect = Defect::none;
  TraceMode trace = TraceMode::hash;
  enum class Length : std::uint8_t { usual, brief };
  Length length = Length::usual;        // brief: one client, so that it can be played very often
  std::optional<FailPoint> fail_point;  // with FaultSet::none()
};

struct Played {
  std::optional<std::string> violation;  // at which step, of what
  std::uint64_t hash = 0;
  std::uint64_t steps = 0;       // of the trace
  std::uint64_t operations = 0;  // writes and syncs of the disk
  std::uint64_t events = 0;      // of the agenda
  std::size_t runs = 0;
  std::size_t lives = 0;  // of the server
};

// Plays the history of that seed to its end, or to the first invariant that does not hold.
[[nodiscard]] Played play(WorldOptions const& options);

}  // namespace drover::sim
