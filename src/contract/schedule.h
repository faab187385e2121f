#pragma once
// schedule.v1: what is to be started, when or upon which event, and what becomes of firings that
// are late, meet an earlier one, or fail. Also the events and hooks that events come through.
// Plain values.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/time.h"
#include "contract/invocation.h"

namespace drover::contract {

// A point in time with the form in which it was given (a number of seconds, or RFC 3339).
struct Instant {
  WallTime at;
  json::value given;
};

struct ScheduledRequest {
  std::string url;
  std::string method = "POST";
  std::vector<std::pair<std::string, Secret>> headers;  // values are often credentials
  std::optional<json::value> body;                      // text as it is, anything else as JSON
  double timeout_s = 30;
};

struct CronTrigger {
  std::string expression;
};
struct OnceTrigger {
  Instant execute_at;
};
// Equality of values at JSON pointers into the event.
struct EventTrigger {
  std::string type;
  std::optional<std::string> source;
  std::vector<std::pair<std::string, json::value>> filter;
};
using ScheduleTrigger = std::variant<OnceTrigger, CronTrigger, EventTrigger>;
using ScheduleTarget = std::variant<ScheduledRequest, Invocation>;

// What to do about firings whose time passed while nobody was there to fire.
enum class Misfire : std::uint8_t { skip, once, all };
// What to do about a firing whose predecessor has not ended.
enum class Overlap : std::uint8_t { allow, queue, skip, replace };

struct RetryPolicy {
  std::int64_t max_attempts = 3;
  std::vector<double> backoff_s = {30, 120, 300};

  // Before the attempt behind `attempts` tries; the last one repeats.
  [[nodiscard]] Millis delay_after(std::int64_t attempts) const;
  friend bool operator==(RetryPolicy const&, RetryPolicy const&) = default;
};

struct ScheduleJob {
  std::optional<ScheduleId> id;
  ScheduleTarget target;
  ScheduleTrigger trigger;
  std::optional<std::string> timezone;  // UTC where there is none
  std::optional<Instant> start_at;
  std::optional<Instant> end_at;
  Misfire misfire = Misfire::once;
  Overlap overlap = Overlap::queue;
  std::int64_t jitter_s = 0;
  bool paused = false;
  RetryPolicy retry;
  std::optional<std::string> idempotency_key;
  std::optional<json::value> metadata;
};

struct IncomingEvent {
  std::string type;
  std::optional<std::string> source;
  std::optional<std::string> id;
  std::optional<std::string> subject;
  json::value data;
  std::optional<WallTime> time;
};

enum class HookScheme : std::uint8_t { drover, github };

// How deliveries to /hooks/{name} become events.
struct Hook {
  std::string name;
  std::string type;
  std::optional<std::string> type_header;
  HookScheme scheme = HookScheme::drover;
};

// invalid_argument; the message starts with the JSON pointer of what does not fit. Says nothing yet
// about the cron expression and the time zone, which the folder `schedule` reads.
[[nodiscard]] Result<ScheduleJob> parse_schedule_job(std::string_view text);
[[nodiscard]] Result<IncomingEvent> parse_incoming_event(std::string_view text);
[[nodiscard]] Result<Hook> parse_hook(std::string_view text);

// What is stored has the headers' values; what is shown has "***" for each that could be a
// credential, and no dispatch token.
enum class HeaderValues : std::uint8_t { keep, mask };
// Members with their default value are left out.
[[nodiscard]] json::value to_json(ScheduleJob const& job, HeaderValues values);
[[nodiscard]] json::value to_json(IncomingEvent const& event);
[[nodiscard]] json::value to_json(Hook const& hook);
// The same text for the same job, whatever the key: for comparing two requests with one key.
[[nodiscard]] std::string fingerprint(ScheduleJob const& job);

[[nodiscard]] std::string_view to_string(Misfire misfire);
[[nodiscard]] std::string_view to_string(Overlap overlap);
[[nodiscard]] std::string_view to_string(HookScheme scheme);

}  // namespace drover::contract
