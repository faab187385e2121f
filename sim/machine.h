#pragma once
// The machine's clocks, as everything in this process sees them: the library's own clock and Asio's
// timers ask the kernel by clock_gettime() and timerfd_create(), which this file defines anew. So
// the code under test is what runs in production, timers included.
//
// Time stands still until it is moved. Asio without a timer descriptor looks at its timers whenever
// the loop is polled, which makes their order a function of the simulated time alone.
//
// Process-wide, for one thread.
#include <cstdint>

#include "base/time.h"

namespace drover::sim {

// From construction to destruction the process lives in simulated time; one at a time.
class Machine {
 public:
  Machine();
  ~Machine();
  Machine(Machine const&) = delete;
  Machine& operator=(Machine const&) = delete;

  // Both clocks.
  void advance(Nanos by);
  // The wall clock alone: an operator, or a time server.
  void step_wall(Nanos by);

  [[nodiscard]] Nanos since_boot() const;
  [[nodiscard]] WallTime wall() const;
};

// The real monotonic clock, to say how long a simulation took.
[[nodiscard]] Nanos real_now();

}  // namespace drover::sim
