#pragma once
// How a worker process goes about its work. Pure.
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace drover::worker {

enum class WorkerMode : std::uint8_t {
  daemon,  // several runs at once, with units that stay warm, until it is stopped
  job,     // one run, or none where none waits
  hybrid,  // a daemon for interactive task types, and a process of its own for each other run
};

[[nodiscard]] std::string_view to_string(WorkerMode mode);
// invalid_argument, naming all.
[[nodiscard]] Result<WorkerMode> parse_worker_mode(std::string_view text);

}  // namespace drover::worker
