#include "broker/retry_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/text.h"

namespace drover::broker {

namespace {

Status check_delay(std::string_view what, Millis delay) {
  if (delay >= Millis{0} && delay <= kDelayMaxMax) return {};
  return fail(ErrorCode::invalid_argument, "the retry policy's {} is {} ms; it is 0 to {}", what,
              delay.count(), kDelayMaxMax.count());
}

Millis exponential(RetryPolicy const& policy, std::int64_t failed) {
  Millis delay = policy.delay;
  // Ends after some forty steps, whatever `failed` is.
  for (std::int64_t i = 1; i < failed && delay < policy.delay_max && delay > Millis{0}; ++i)
    delay *= 2;
  return std::min(delay, policy.delay_max);
}

Millis delay_after(RetryPolicy const& policy, std::int64_t failed) {
  switch (policy.backoff) {
    case Backoff::fixed:
      return policy.delay;
    case Backoff::exponential:
      return exponential(policy, failed);
    case Backoff::list: {
      auto const last = static_cast<std::int64_t>(policy.delays.size()) - 1;
      return policy.delays[static_cast<std::size_t>(std::min(failed - 1, last))];
    }
  }
  return policy.delay;
}

std::string_view name_of(Backoff backoff) {
  switch (backoff) {
    case Backoff::fixed:
      return "fixed";
    case Backoff::exponential:
      return "exponential";
    case Backoff::list:
      return "list";
  }
  return "";
}

bool read_number(std::string_view text, std::int64_t& number) {
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

Status check_retry_policy(RetryPolicy const& policy) {
  if (policy.attempts_max < 1 || policy.attempts_max > kAttemptsMaxMax)
    return fail(ErrorCode::invalid_argument, "the retry policy's attempts_max is {}; it is 1 to {}",
                policy.attempts_max, kAttemptsMaxMax);
  DROVER_TRY(check_delay("delay", policy.delay));
  DROVER_TRY(check_delay("delay_max", policy.delay_max));
  for (Millis const delay : policy.delays)
    DROVER_TRY(check_delay("list of delays", delay));
  if (policy.delays.size() > kDelaysMax)
    return fail(ErrorCode::too_large, "the retry policy lists {} delays; the limit is {}",
                policy.delays.size(), kDelaysMax);
  if ((policy.backoff == Backoff::list) == policy.delays.empty())
    return fail(ErrorCode::invalid_argument,
                "a retry policy has a list of delays if its backoff is list, and only then");
  return {};
}

std::optional<Millis> decide_retry(RetryPolicy const& policy, std::int64_t failed,
                                   std::uint64_t random, std::optional<Millis> retry_after) {
  DROVER_CHECK(failed >= 1);
  if (failed >= policy.attempts_max) return std::nullopt;
  if (retry_after) return std::max(*retry_after, Millis{0});
  Millis const delay = delay_after(policy, failed);
  if (policy.jitter == Jitter::none) return delay;
  return Millis{
      static_cast<std::int64_t>(random % (static_cast<std::uint64_t>(delay.count()) + 1))};
}

std::string print_retry_policy(RetryPolicy const& policy) {
  std::string text = fmt::format("{} {} {} {} {}", policy.attempts_max, name_of(policy.backoff),
                                 policy.delay.count(), policy.delay_max.count(),
                                 policy.jitter == Jitter::full ? "full" : "none");
  for (Millis const delay : policy.delays)
    text += fmt::format(" {}", delay.count());
  return text;
}

Result<RetryPolicy> read_retry_policy(std::string_view text) {
  auto const corrupt = [&] {
    return fail(ErrorCode::data_corrupt, "the store's retry policy '{}' cannot be read",
                printable(text, 80));
  };
  auto const words = split(text, ' ');
  if (words.size() < 5) return corrupt();
  RetryPolicy policy;
  std::int64_t delay = 0;
  std::int64_t delay_max = 0;
  if (!read_number(words[0], policy.attempts_max) || !read_number(words[2], delay) ||
      !read_number(words[3], delay_max))
    return corrupt();
  policy.delay = Millis{delay};
  policy.delay_max = Millis{delay_max};
  auto const kinds = {Backoff::fixed, Backoff::exponential, Backoff::list};
  auto const* const kind =
      std::ranges::find_if(kinds, [&](Backoff one) { return name_of(one) == words[1]; });
  if (kind == kinds.end() || (words[4] != "full" && words[4] != "none")) return corrupt();
  policy.backoff = *kind;
  policy.jitter = words[4] == "full" ? Jitter::full : Jitter::none;
  for (std::size_t i = 5; i < words.size(); ++i) {
    std::int64_t number = 0;
    if (!read_number(words[i], number)) return corrupt();
    policy.delays.emplace_back(number);
  }
  if (!check_retry_policy(policy)) return corrupt();
  return policy;
}

}  // namespace drover::broker
