#include "gateway/upstream_gate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "base/check.h"
#include "base/text.h"

namespace drover::gateway {

namespace {

Millis jittered(Millis base, Millis most, int times, Random& random) {
  constexpr int kDoublingsMax = 20;  // beyond any cap, and far from overflow
  auto const factor = std::int64_t{1} << std::clamp(times, 0, kDoublingsMax);
  Millis const bound = std::min(most, base * factor);
  return Millis{static_cast<std::int64_t>(
      random.below(static_cast<std::uint64_t>(std::max<std::int64_t>(bound.count(), 0)) + 1))};
}

// Milliseconds; never more than a day, whatever is said.
std::optional<Millis> millis_of(double milliseconds) {
  constexpr double kDay = 86'400'000.0;
  if (!(milliseconds >= 0.0)) return std::nullopt;  // not a number is neither
  return Millis{static_cast<std::int64_t>(std::ceil(std::min(milliseconds, kDay)))};
}

std::optional<double> number_of(std::string_view text) {
  double value = 0.0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "1s", "6m0s", "20ms", "1h2m3.5s", as Go prints durations; or plain seconds.
std::optional<Millis> duration_of(std::string_view text) {
  if (auto const seconds = number_of(text)) return millis_of(*seconds * 1000.0);
  struct Unit {
    std::string_view name;
    double milliseconds;
  };
  constexpr std::array kUnits = {Unit{"ms", 1.0}, Unit{"us", 0.001}, Unit{"s", 1000.0},
                                 Unit{"m", 60'000.0}, Unit{"h", 3'600'000.0}};
  double sum = 0.0;
  bool any = false;
  while (!text.empty()) {
    std::size_t const digits = std::min(text.find_first_not_of("0123456789."), text.size());
    auto const number = number_of(text.substr(0, digits));
    if (!number) return std::nullopt;
    text.remove_prefix(digits);
    std::size_t const letters = std::min(text.find_first_of("0123456789."), text.size());
    auto const* const unit = std::ranges::find(kUnits, text.substr(0, letters), &Unit::name);
    if (unit == kUnits.end()) return std::nullopt;
    sum += *number * unit->milliseconds;
    any = true;
    text.remove_prefix(letters);
  }
  return any ? millis_of(sum) : std::nullopt;
}

std::optional<Millis> reset_of(std::string_view text, WallTime now) {
  auto const at = parse_rfc3339(text);
  if (!at) return duration_of(text);
  return std::max(std::chrono::duration_cast<Millis>(*at - now), Millis{0});
}

}  // namespace

std::optional<Millis> asked_wait(net::Headers const& headers, WallTime now) {
  auto const* const ms = headers.find("retry-after-ms");
  if (ms != nullptr)
    if (auto const number = number_of(trim(*ms))) return millis_of(*number);
  auto const* const seconds = headers.find("retry-after");
  if (seconds != nullptr)
    if (auto const number = number_of(trim(*seconds))) return millis_of(*number * 1000.0);
  std::optional<Millis> longest;
  for (std::string_view const what : {"requests", "tokens", "input-tokens", "output-tokens"})
    for (bool const anthropic : {true, false}) {
      auto const name = [&](std::string_view part) {
        std::string header{anthropic ? "anthropic-ratelimit-" : "x-ratelimit-"};
        return anthropic ? header.append(what).append("-").append(part)
                         : header.append(part).append("-").append(what);
      };
      auto const* const remaining = headers.find(name("remaining"));
      auto const* const reset = headers.find(name("reset"));
      if (remaining == nullptr || reset == nullptr || trim(*remaining) != "0") continue;
      auto const wait = reset_of(trim(*reset), now);
      if (wait) longest = std::max(longest.value_or(Millis{0}), *wait);
    }
  return longest;
}

UpstreamGate::Answer UpstreamGate::ask(BootTime now) const {
  bool const broken = failures_ >= policy_.failures_max;
  if (broken && now < down_until_) return {Answer::Kind::down, down_until_};
  if (broken && probing_) return {Answer::Kind::down, now + policy_.down_base};
  if (now < not_before_) return {Answer::Kind::later, not_before_};
  if (open_ >= policy_.requests_max) return {Answer::Kind::full, now};
  return {Answer::Kind::go, now};
}

void UpstreamGate::begin(BootTime) {
  ++open_;
  if (failures_ >= policy_.failures_max) probing_ = true;
}

void UpstreamGate::end(BootTime now, UpstreamOutcome const& outcome, Random& random) {
  DROVER_CHECK(open_ > 0);
  --open_;
  using Kind = UpstreamOutcome::Kind;
  if (outcome.wait && outcome.kind != Kind::abandoned)
    not_before_ = std::max(not_before_, now + std::min(*outcome.wait, policy_.asked_max));
  switch (outcome.kind) {
    case Kind::fine:
      limited_ = 0;
      failures_ = 0;
      times_down_ = 0;
      probing_ = false;
      break;
    case Kind::limited:
      // It answers, so it is up.
      failures_ = 0;
      probing_ = false;
      if (!outcome.wait)
        not_before_ = std::max(not_before_, now + jittered(policy_.backoff_base,
                                                           policy_.backoff_max, limited_, random));
      ++limited_;
      break;
    case Kind::failed:
      probing_ = false;
      failures_ = std::min(failures_ + 1, policy_.failures_max);
      if (failures_ < policy_.failures_max || now < down_until_) break;
      // At least half of the time, so that it is left alone, and not for all servers the same.
      {
        Millis const whole = std::min(
            policy_.down_max, policy_.down_base * (std::int64_t{1} << std::min(times_down_, 20)));
        down_until_ = now + whole / 2 + jittered(whole / 2, whole / 2, 0, random);
        ++times_down_;
      }
      break;
    case Kind::abandoned:
      probing_ = false;
      break;
  }
}

}  // namespace drover::gateway
