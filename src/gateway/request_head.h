#pragma once
// The few members of a Messages request that the gateway acts on, read without building the rest:
// a request repeats the whole conversation, and only the unit needs that as values. Pure.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::gateway {

struct RequestHead {
  std::string model;
  std::int64_t max_tokens = 0;
  bool stream = false;
};

// invalid_argument when the text is not a JSON object, nests deeper than 64, repeats one of these
// members, or has no model or max_tokens.
[[nodiscard]] Result<RequestHead> read_request_head(std::string_view body);

}  // namespace drover::gateway
