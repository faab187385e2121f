#pragma once
// How the API tells of a run that was dispatched.
#include "api/router.h"
#include "base/json.h"
#include "worker/dispatcher.h"

namespace drover::api {

[[nodiscard]] json::object to_json(worker::Dispatched const& dispatched);
// 202, with its place.
Task<Status> reply_dispatched(net::HttpReply& reply, worker::Dispatched dispatched);

}  // namespace drover::api
