#include "workflow/seal.h"

namespace drover::workflow {

Result<std::optional<Event>> seal_run(OpenRun& run, FinalStatus status, std::string const& reason) {
  if (run.history().end() != RunEnd::none && run.history().end() != RunEnd::process_error)
    return std::nullopt;
  json::object data{{"manual_seal_reason", reason},
                    {"completionProof", run.record().completion_proof()}};
  Event event;
  event.type =
      status == FinalStatus::completed ? event_type::kRunCompleted : event_type::kRunFailed;
  event.data = data;
  DROVER_TRY(run.append(NewEvent{event.type, std::move(data)}));
  DROVER_TRY(run.save_state("manual_halt"));
  event.name = run.history().head();
  event.recorded_at = run.now_text();
  return event;
}

}  // namespace drover::workflow
