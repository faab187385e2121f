#pragma once
// A run driven on in this process by drover's engine, with one start of Node for all of it.
// Throws std::runtime_error where it does not go on.
#include <functional>
#include <string>

#include "base/json.h"
#include "workflow/iterate.h"
#include "workflow/run_folder.h"

namespace drover::harness {

// Posts `value` to everything that waits, until the run has ended; a run that has ended is run
// again as it stands.
[[nodiscard]] workflow::Iterated drive_to_end(std::string const& run_folder,
                                              json::value const& value);

}  // namespace drover::harness
