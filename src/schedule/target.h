#pragma once
// What a firing sends: the run's invocation or the HTTP request, made from the job, the firing and
// its event. Pure.
#include <string>

#include "contract/invocation.h"
#include "net/http_types.h"
#include "schedule/ledger.h"

namespace drover::schedule {

// The same for every start of one firing, so that a repeated one has the same effect once.
[[nodiscard]] std::string idempotency_key(ScheduleId const& schedule, FiringRecord const& firing);

// The job's own, with the trigger `scheduled` or `event`, the launcher `schedule:<id>`, the
// firing's key, and the event's values in its prompt. too_large when these are too many.
[[nodiscard]] Result<contract::Invocation> invocation_of(Start const& start);

// The job's own, with Idempotency-Key and X-Drover-Attempt. A body that is no text is sent as JSON;
// where there is none, an event is the body.
[[nodiscard]] net::ClientRequest request_of(Start const& start, net::Reach reach);

// unsupported scheme, unsafe literal address, header that could break out of its line: what can be
// said before anything is sent.
[[nodiscard]] Status check_request(contract::ScheduledRequest const& request, net::Reach reach);

}  // namespace drover::schedule
