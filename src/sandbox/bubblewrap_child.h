#pragma once
// A started bubblewrap: itself, which waits outside for the program's end, and the program, pid 1
// of the sandbox. Blocking; one owner.
#include <linux/filter.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"
#include "sandbox/spec.h"

namespace drover::sandbox {

struct BubblewrapChild {
  pid_t monitor = -1;
  os::Fd monitor_fd;  // a pidfd: readable once every process of the sandbox has ended
  pid_t init = -1;
  os::Fd init_fd;
  os::Fd gate;  // a byte lets the program run
};

[[nodiscard]] Result<std::string> find_bubblewrap();
// Returns while the program waits at the gate.
[[nodiscard]] Result<BubblewrapChild> start_bubblewrap(SandboxSpec const& spec,
                                                       std::vector<sock_filter> const& filter);
// Opens the gate and returns once the program runs.
[[nodiscard]] Status open_gate_of(BubblewrapChild& child, Millis timeout);
// The limits of the spec that are of each process, on the waiting program.
[[nodiscard]] Status limit_process(pid_t init, Limits const& limits, bool pids);

}  // namespace drover::sandbox
