#pragma once
// An end that a person gives to a run, in the format's words. Blocking.
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "workflow/open_run.h"

namespace drover::workflow {

enum class FinalStatus : std::uint8_t { completed, failed };

// The entry that ends it; nullopt: it had ended before. Effects that are open stay so, and nothing
// goes on after it.
[[nodiscard]] Result<std::optional<Event>> seal_run(OpenRun& run, FinalStatus status,
                                                    std::string const& reason);

}  // namespace drover::workflow
