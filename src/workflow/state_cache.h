#pragma once
// state/state.json: what a journal says, for readers that do not want to read it. Derived, never an
// input of a replay; where it does not match the journal's head it is made anew.
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "workflow/event.h"
#include "workflow/history.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

// A function of history, time and reason: the same whoever makes it.
[[nodiscard]] json::value state_of(History const& history, Writer writer, std::string_view saved_at,
                                   std::string_view reason);

// What readers use of a cache that is there.
struct StoredState {
  EventName head;  // seq 0: null
  std::int64_t version = 0;
  std::string reason;
  json::value whole;
};
// nullopt: none, or none that can be read.
[[nodiscard]] std::optional<StoredState> read_state(RunFolder const& run);

}  // namespace drover::workflow
