#pragma once
// The few members of a model request that the gateway acts on, read without building the rest: a
// request repeats the whole conversation, and only the unit needs that as values. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/wire_format.h"

namespace drover::gateway {

struct RequestHead {
  std::string model;
  std::optional<std::int64_t> tokens_max;  // of the answer; the Messages API always says it
  std::int64_t choices = 1;                // chat: `n`, answers to one request
  bool stream = false;
  bool has_stream_options = false;
  bool include_usage = false;  // chat: stream_options.include_usage
};

// invalid_argument when the text is not a JSON object, nests deeper than 64, repeats one of these
// members, has no model (Messages: or no max_tokens), or names another upstream or key than the
// configured ones (base_url, api_base, api_key), which some upstreams would obey.
[[nodiscard]] Result<RequestHead> read_request_head(
    std::string_view body, model::WireFormat format = model::WireFormat::messages);

}  // namespace drover::gateway
