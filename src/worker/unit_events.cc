#include "worker/unit_events.h"

#include <algorithm>
#include <string>
#include <utility>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"

namespace drover::worker {

namespace {

// The unit's clock is not trusted: no tool runs longer than a day.
constexpr std::int64_t kToolMsMax = 24LL * 3600 * 1000;

}  // namespace

Status add_unit_event(UnitBatch& batch, contract::UnitEvent const& event,
                      contract::EventHead const& head) {
  if (event.type == contract::EventType::ping) return {};
  if (batch.done)
    return fail(ErrorCode::invalid_argument, "an event follows the done event of the turn");
  if (event.type == contract::EventType::turn_accepted) batch.accepted = true;
  if (event.type == contract::EventType::tool_result)
    batch.tool_ms += std::clamp<std::int64_t>(integer_or(event.body, "ms", 0), 0, kToolMsMax);
  if (event.type == contract::EventType::done) batch.done = contract::result_of(event);
  batch.drafts.push_back(
      {std::string{contract::to_string(event.type)}, contract::draft_of(event, head)});
  return {};
}

Result<UnitBatch> read_unit_batch(std::string_view body, RunId const& run, Epoch epoch) {
  if (body.size() > kUnitBatchBytesMax)
    return fail(ErrorCode::too_large, "a batch of events has at most {} bytes, this one {}",
                kUnitBatchBytesMax, body.size());
  auto const events = contract::parse_unit_events(body, kUnitBatchEventsMax);
  if (!events) return std::unexpected(events.error());
  contract::EventHead const head{run, epoch, run.str()};
  UnitBatch batch;
  for (contract::UnitEvent const& event : *events) {
    if (event.type != contract::EventType::ping && event.turn_id != run.str())
      return fail(ErrorCode::conflict, "the event belongs to the turn '{}', and the turn is {}",
                  printable(event.turn_id, 80), run);
    DROVER_TRY(add_unit_event(batch, event, head));
  }
  return batch;
}

}  // namespace drover::worker
