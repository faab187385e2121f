#pragma once
// What the gateway changes in a request on its way upstream. Pure; `body` is one whose head was
// read.
#include <string>
#include <string_view>

#include "gateway/request_head.h"

namespace drover::gateway {

// As it goes upstream: with `model` in place of the name that the unit used, and for a streamed
// chat with stream_options.include_usage, without which such a stream does not say what it cost.
// Copies the body once, and builds it anew only where one of the members is there and has to be
// another.
[[nodiscard]] std::string upstream_body(std::string body, RequestHead const& head,
                                        std::string_view model, model::WireFormat format);

}  // namespace drover::gateway
