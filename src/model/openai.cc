#include "model/openai.h"

#include <algorithm>
#include <string_view>

#include <boost/json.hpp>

namespace drover::model {

namespace {

struct Names {
  std::string_view input;
  std::string_view input_details;
  std::string_view output;
  std::string_view output_details;
};
constexpr Names kResponses{"input_tokens", "input_tokens_details", "output_tokens",
                           "output_tokens_details"};
constexpr Names kChat{"prompt_tokens", "prompt_tokens_details", "completion_tokens",
                      "completion_tokens_details"};

// An upstream's counters are not trusted: sums of these still fit.
std::int64_t count(json::object const& from, std::string_view key) {
  constexpr std::int64_t kTokensMax = 1'000'000'000'000;
  return std::clamp<std::int64_t>(integer_or(from, key, 0), 0, kTokensMax);
}

Usage read(json::object const& from, Names const& names) {
  Usage usage;
  auto const* const details = from.if_contains(names.input_details);
  if (details != nullptr && details->is_object())
    usage.cache_read = count(details->get_object(), "cached_tokens");
  std::int64_t const input = count(from, names.input);
  usage.cache_read = std::min(usage.cache_read, input);
  usage.input = input - usage.cache_read;
  usage.output = count(from, names.output);
  return usage;
}

json::object print(Usage const& usage, Names const& names) {
  std::int64_t const input =
      usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;
  json::object out;
  out[names.input] = input;
  out[names.input_details] = json::object{{"cached_tokens", usage.cache_read}};
  out[names.output] = usage.output;
  out[names.output_details] = json::object{{"reasoning_tokens", 0}};
  out["total_tokens"] = input + usage.output;
  return out;
}

}  // namespace

Usage read_responses_usage(json::object const& from) {
  return read(from, kResponses);
}

Usage read_chat_usage(json::object const& from) {
  return read(from, kChat);
}

json::object responses_usage(Usage const& usage) {
  return print(usage, kResponses);
}

json::object chat_usage(Usage const& usage) {
  return print(usage, kChat);
}

}  // namespace drover::model
