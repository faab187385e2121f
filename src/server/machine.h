#pragma once
// What a process that works on runs needs of the machine it is on: sandboxes, and the program of
// the units.
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "os/blocking_pool.h"
#include "runtime/backend_chooser.h"
#include "runtime/process_backend.h"
#include "sandbox/launcher.h"
#include "server/settings.h"

namespace drover::server {

struct Machine {
  std::unique_ptr<runtime::BackendChooser> runtime;
  runtime::ProcessBackend* process = nullptr;  // of `runtime`; null where there is none
  std::string unit_program;                    // absolute path
  std::vector<std::string> warnings;           // limits that are not enforced here, a sentence each
};

struct MachineParts {
  boost::asio::io_context& io;
  os::BlockingPool& pool;
  Clock const& clock;
  Random& random;
};

// Refused, with the fix, where nothing can be isolated by the default backend. recover() of the
// runtime, before the loop runs, ends the units that a dead process of this state folder left.
[[nodiscard]] Result<Machine> make_machine(MachineParts const& parts, BackendSettings settings,
                                           std::string const& state_folder);

// Ends the units that a dead process left in this state folder of its own. Blocks.
[[nodiscard]] Status reap_units(MachineParts const& parts, BackendSettings settings,
                                std::string const& state_folder);

// drover-unit, beside this executable.
[[nodiscard]] Result<std::string> find_unit_program();

// Of the setting DROVER_SANDBOX; refused, with the fix, where nothing can be isolated. Blocks.
[[nodiscard]] Result<std::shared_ptr<sandbox::Launcher>> make_launcher();

// Every connection is a descriptor; the usual soft limit of 1024 is not enough for 1000 readers.
void raise_descriptor_limit();

}  // namespace drover::server
