#pragma once
// What OpenAI's two wire formats say about usage, as Usage: their input counts what was read from
// the cache, and their output counts the reasoning. Pure.
#include "base/json.h"
#include "model/messages.h"

namespace drover::model {

// `usage` of a Responses answer: input_tokens, input_tokens_details.cached_tokens, output_tokens.
[[nodiscard]] Usage read_responses_usage(json::object const& from);
// `usage` of a Chat Completions answer: prompt_tokens, prompt_tokens_details.cached_tokens,
// completion_tokens.
[[nodiscard]] Usage read_chat_usage(json::object const& from);

// The other way, for whoever answers in their place.
[[nodiscard]] json::object responses_usage(Usage const& usage);
[[nodiscard]] json::object chat_usage(Usage const& usage);

}  // namespace drover::model
