#include "workflow/signals.h"

namespace drover::workflow {

std::optional<Signal> untaken_signal(History const& history, std::string_view name) {
  if (name.empty()) return std::nullopt;
  for (auto const& signal : history.signals())
    if (signal.name == name && !history.is_taken(signal.seq)) return signal;
  return std::nullopt;
}

}  // namespace drover::workflow
