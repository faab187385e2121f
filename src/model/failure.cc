#include "model/failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/json.h"
#include "base/text.h"

namespace drover::model {

namespace {

struct TypeStatus {
  std::string_view type;
  int status;
};
constexpr std::array kTypeStatuses = {
    TypeStatus{"context_length_exceeded", 400},
    TypeStatus{"invalid_request_error", 400},
    TypeStatus{"authentication_error", 401},
    TypeStatus{"billing_error", 402},
    TypeStatus{"budget_exhausted", 402},
    TypeStatus{"max_turns", 403},
    TypeStatus{"permission_error", 403},
    TypeStatus{"not_found_error", 404},
    TypeStatus{"conflict", 409},
    TypeStatus{"request_too_large", 413},
    TypeStatus{"insufficient_quota", 429},
    TypeStatus{"rate_limit_error", 429},
    TypeStatus{"rate_limit_exceeded", 429},
    TypeStatus{"api_error", 500},
    TypeStatus{"server_error", 500},
    TypeStatus{"timeout_error", 504},
    TypeStatus{"server_is_overloaded", 503},
    TypeStatus{"slow_down", 503},
    TypeStatus{"overloaded_error", 529},
};

// Longer than any answer that a client should wait for.
constexpr double kRetryAfterSecondsMax = 86'400.0;

std::optional<Millis> parse_wait(std::string_view text, double milliseconds_per_unit) {
  double value = 0.0;
  text = trim(text);
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  if (!std::isfinite(value) || value < 0.0) return {};
  double const milliseconds = std::min(value * milliseconds_per_unit, kRetryAfterSecondsMax * 1e3);
  return Millis{static_cast<std::int64_t>(std::ceil(milliseconds))};
}

bool says_prompt_too_long(Failure const& failure) {
  return failure.message.find("prompt is too long") != std::string::npos ||
         failure.message.find("exceed context limit") != std::string::npos;
}

bool is_transient_status(int status) {
  return status == 408 || status == 425 || status == 429 || (status >= 500 && status <= 599);
}

}  // namespace

std::string Failure::text() const {
  std::string const detail = printable(message, 400);
  if (status == 0) return detail;
  if (type.empty()) return fmt::format("{}: {}", status, detail);
  return fmt::format("{} {}: {}", status, printable(type, 60), detail);
}

int status_of_error_type(std::string_view type) {
  auto const* const found = std::ranges::find(kTypeStatuses, type, &TypeStatus::type);
  return found == kTypeStatuses.end() ? 500 : found->status;
}

Verdict classify(Failure const& failure) {
  switch (failure.kind) {
    case Failure::Kind::interrupted:
      return Verdict::interrupted;
    case Failure::Kind::cut:
    case Failure::Kind::malformed:
    case Failure::Kind::timeout:
    case Failure::Kind::connect:
      return Verdict::retry;
    case Failure::Kind::http:
    case Failure::Kind::stream:
      break;
  }
  if (failure.type == "budget_exhausted") return Verdict::budget_exhausted;
  if (failure.type == "max_turns") return Verdict::turns_exhausted;
  if (failure.status == 413 || (failure.status == 400 && says_prompt_too_long(failure)))
    return Verdict::prompt_too_long;
  if (failure.status == 409) return Verdict::fenced;
  return is_transient_status(failure.status) ? Verdict::retry : Verdict::fatal;
}

Failure failure_from_response(int status, std::string_view body, std::string_view retry_after,
                              std::string_view retry_after_ms) {
  Failure failure;
  failure.status = status;
  failure.retry_after = parse_wait(retry_after_ms, 1.0);
  if (!failure.retry_after) failure.retry_after = parse_wait(retry_after, 1000.0);
  auto const value = parse_json(body);
  json::object const* error = nullptr;
  if (value && value->is_object()) {
    auto const* const member = value->as_object().if_contains("error");
    if (member != nullptr) error = member->if_object();
  }
  if (error == nullptr) {
    failure.message = body.empty() ? "the model endpoint gave no reason" : printable(body, 300);
    return failure;
  }
  // The unit socket's own errors carry `code`, the Messages API's carry `type`.
  failure.type = string_or(*error, "type", string_or(*error, "code", ""));
  failure.message = string_or(*error, "message", "the model endpoint gave no reason");
  return failure;
}

}  // namespace drover::model
