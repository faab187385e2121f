#pragma once
// What the containers of an agent write as server-sent events.
#include <memory>

#include "base/error.h"
#include "fleet/log_follow.h"
#include "net/http_server.h"

namespace drover::api {

// Until all are gone, which an event `end` says, or the client goes. A comment every 15 s keeps the
// connection alive.
Task<Status> serve_logs(std::shared_ptr<fleet::LogFollow> follow, net::HttpReply& reply);

}  // namespace drover::api
