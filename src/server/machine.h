#pragma once
// What a process that works on runs needs of the machine it is on: sandboxes, and the program of
// the units.
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/error.h"
#include "base/time.h"
#include "os/blocking_pool.h"
#include "runtime/process_backend.h"

namespace drover::server {

struct Machine {
  std::unique_ptr<runtime::ProcessBackend> runtime;
  std::string unit_program;           // absolute path
  std::vector<std::string> warnings;  // limits that are not enforced here, a sentence each
};

// Refused, with the fix, where no sandbox can be made. Units that a dead process of this state
// folder left are ended.
[[nodiscard]] Result<Machine> make_machine(boost::asio::any_io_executor loop,
                                           os::BlockingPool& pool, Clock const& clock,
                                           std::string const& state_folder);

// Ends the units that a dead process left in this state folder of its own. Blocks.
[[nodiscard]] Status reap_units(boost::asio::any_io_executor loop, os::BlockingPool& pool,
                                Clock const& clock, std::string const& state_folder);

// Every connection is a descriptor; the usual soft limit of 1024 is not enough for 1000 readers.
void raise_descriptor_limit();

}  // namespace drover::server
