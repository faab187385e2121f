#pragma once
// Signals: events from outside that a process waits for by name. Each is taken once, by the first
// effect of its name that waits, also when it came before that. Pure.
#include <optional>
#include <string>
#include <string_view>

#include "workflow/history.h"

namespace drover::workflow {

[[nodiscard]] std::optional<Signal> untaken_signal(History const& history, std::string_view name);

}  // namespace drover::workflow
