#pragma once
// A unit that was started before it is known whose it is: what it is comes later, once, through a
// FIFO that only it has.
#include <string>

#include "base/error.h"

namespace drover::unit {

// Blocks until somebody has written to `fifo`: the working folder and the lines of the environment
// (NAME=value), each ended by a zero byte. Makes them this process's own. For a process with one
// thread.
[[nodiscard]] Status wait_for_start(std::string const& fifo);

}  // namespace drover::unit
