#pragma once
// Drives one run until it ends, without a server: its process stays in memory, the lock is held
// only while something is done, and in between the driver sleeps until somebody writes to the
// journal, a command ends or a timer is due. Commands are carried out where there is a pool for
// them; all other effects are ended by whoever posts their results. Blocking.
#include <functional>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "driver/command_pool.h"
#include "workflow/iterate.h"

namespace drover::driver {

struct DriveOptions {
  workflow::HostSpec host;
  CommandPool* commands = nullptr;  // null: they are left to others as well
  // Called each time the run has come to a new rest.
  std::function<void(workflow::Iterated const&)> waiting = [](workflow::Iterated const&) {};
  int stop_fd = -1;  // readable: leave off; the run goes on with the next driver
};

// What the run came to: waiting only after a stop. What is under way then is killed.
[[nodiscard]] Result<workflow::Iterated> drive(workflow::RunFolder const& run,
                                               DriveOptions const& options, Clock const& clock,
                                               Random& random);

}  // namespace drover::driver
