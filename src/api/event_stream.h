#pragma once
// One run's events as server-sent events: from behind a number, without gap or repeat, to the
// terminal event.
#include <cstdint>

#include "base/error.h"
#include "broker/stream.h"
#include "net/http_server.h"

namespace drover::api {

enum class Follow : std::uint8_t {
  yes,  // to the closing event
  no,   // what is there now
};

// Ends as `follow` says, or when the client goes. A comment every 15 s keeps the connection alive.
// Events that were trimmed away are told as an event `gap{until}`.
Task<Status> serve_events(broker::OutputStreams& streams, broker::StreamName name,
                          std::int64_t after_seq, Follow follow, net::HttpReply& reply);

// `?follow=`: true, which it is without, or false.
[[nodiscard]] Result<Follow> follow_of(net::HttpRequest const& request);
// `Last-Event-ID`, else `?after=`; 0 without both.
[[nodiscard]] Result<std::int64_t> resume_point(net::HttpRequest const& request);

}  // namespace drover::api
