#include "contract/task_retry.h"

#include <cmath>
#include <utility>

#include "contract/fields.h"

namespace drover::contract {

namespace {

constexpr std::array<Named<TaskBackoff>, 3> kBackoffs = {{{TaskBackoff::fixed, "fixed"},
                                                          {TaskBackoff::exponential, "exponential"},
                                                          {TaskBackoff::list, "list"}}};

Millis millis_of(double seconds) {
  return Millis{std::llround(seconds * 1000)};
}
double seconds_of(Millis time) {
  return static_cast<double>(time.count()) / 1000;
}

}  // namespace

TaskRetry task_retry_of(json::object const& object) {
  TaskRetry retry;
  retry.attempts_max = int_at(object, "attempts_max", retry.attempts_max);
  if (auto const backoff = value_of(kBackoffs, text_at(object, "backoff")))
    retry.backoff = *backoff;
  if (auto const delay = optional_double(object, "delay_s")) retry.delay = millis_of(*delay);
  if (auto const most = optional_double(object, "delay_max_s")) retry.delay_max = millis_of(*most);
  if (auto const* delays = object.if_contains("delays_s"))
    for (json::value const& delay : delays->get_array())
      retry.delays.push_back(millis_of(delay.to_number<double>()));
  retry.full_jitter = text_at(object, "jitter") != "none";
  return retry;
}

json::object to_json(TaskRetry const& retry) {
  TaskRetry const usual;
  json::object out;
  if (retry.attempts_max != usual.attempts_max) out["attempts_max"] = retry.attempts_max;
  if (retry.backoff != usual.backoff) out["backoff"] = to_string(retry.backoff);
  if (retry.delay != usual.delay) put(out, "delay_s", std::optional{seconds_of(retry.delay)});
  if (retry.delay_max != usual.delay_max)
    put(out, "delay_max_s", std::optional{seconds_of(retry.delay_max)});
  json::object delay;
  json::array delays;
  for (Millis const one : retry.delays) {
    put(delay, "s", std::optional{seconds_of(one)});
    delays.push_back(delay["s"]);
  }
  if (!delays.empty()) out["delays_s"] = std::move(delays);
  if (!retry.full_jitter) out["jitter"] = "none";
  return out;
}

std::string_view to_string(TaskBackoff backoff) {
  return name_of(kBackoffs, backoff);
}

}  // namespace drover::contract
