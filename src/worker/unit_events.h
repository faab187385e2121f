#pragma once
// What a unit says about its turn, checked and stamped before it becomes part of the run's stream.
// Pure.
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "broker/stream.h"
#include "contract/event.h"

namespace drover::worker {

struct UnitBatch {
  std::vector<broker::EventDraft> drafts;  // with run and epoch, ready for the stream
  bool accepted = false;                   // holds the turn's turn-accepted
  std::int64_t tool_ms = 0;
  std::optional<contract::UnitResult> done;
};

inline constexpr std::size_t kUnitBatchEventsMax = 1000;
inline constexpr std::size_t kUnitBatchBytesMax = std::size_t{1} << 20U;

// One event more, stamped with `head`, whose turn it is said to belong to. invalid_argument behind
// the done event. A ping leaves nothing.
[[nodiscard]] Status add_unit_event(UnitBatch& batch, contract::UnitEvent const& event,
                                    contract::EventHead const& head);

// `body` is NDJSON. invalid_argument names the line; conflict when an event belongs to another
// turn.
[[nodiscard]] Result<UnitBatch> read_unit_batch(std::string_view body, RunId const& run,
                                                Epoch epoch);

}  // namespace drover::worker
