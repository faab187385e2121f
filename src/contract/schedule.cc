#include "contract/schedule.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "contract/fields.h"
#include "contract/schemas.h"

namespace drover::contract {

namespace {

constexpr std::array<Named<Misfire>, 3> kMisfires = {
    {{Misfire::skip, "skip"}, {Misfire::once, "once"}, {Misfire::all, "all"}}};
constexpr std::array<Named<Overlap>, 4> kOverlaps = {{{Overlap::allow, "allow"},
                                                      {Overlap::queue, "queue"},
                                                      {Overlap::skip, "skip"},
                                                      {Overlap::replace, "replace"}}};
constexpr std::array<Named<HookScheme>, 2> kSchemes = {
    {{HookScheme::drover, "drover"}, {HookScheme::github, "github"}}};

// Headers whose values tell nobody anything; every other one may hold a credential.
constexpr std::array<std::string_view, 6> kPlainHeaders = {
    "accept", "accept-language", "content-type", "content-language", "user-agent", "cache-control"};

bool is_plain(std::string_view name) {
  return std::ranges::any_of(kPlainHeaders,
                             [&](std::string_view plain) { return iequals(name, plain); });
}

// ---- reading; the schema has accepted the values

std::unexpected<Error> at(std::string_view pointer, Error error) {
  error.message =
      fmt::format("{}{}{}", pointer, error.message.starts_with('/') ? "" : ": ", error.message);
  return std::unexpected(std::move(error));
}

Result<std::optional<Instant>> instant_at(json::object const& object, std::string_view key) {
  auto const* value = object.if_contains(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) {
    auto const time = parse_rfc3339(std::string_view{value->get_string()});
    if (!time) return at(fmt::format("/{}", key), time.error());
    return Instant{*time, *value};
  }
  auto const micros = std::llround(value->to_number<double>() * 1e6);
  return Instant{WallTime{Micros{micros}}, *value};
}

Result<ScheduledRequest> request_of(json::object const& object) {
  ScheduledRequest request;
  request.url = text_at(object, "url");
  auto const authority = std::string_view{request.url}.substr(request.url.find("://") + 3);
  if (authority.substr(0, authority.find_first_of("/?#")).contains('@'))
    return fail_next(ErrorCode::invalid_argument,
                     "/request/url: the address holds a user or password",
                     "put credentials into a header, which is never shown");
  if (auto const method = optional_text(object, "method")) request.method = *method;
  if (auto const* headers = object.if_contains("headers"))
    for (auto const& header : headers->get_object())
      request.headers.emplace_back(header.key(), Secret{std::string{header.value().get_string()}});
  if (auto const* body = object.if_contains("body")) request.body = *body;
  request.timeout_s = optional_double(object, "timeout").value_or(request.timeout_s);
  return request;
}

Result<Invocation> dispatch_of(json::value const& value) {
  auto invocation = parse_invocation(value);
  if (!invocation) return at("/dispatch", invocation.error());
  if (invocation->idempotency_key)
    return fail_next(ErrorCode::invalid_argument,
                     "/dispatch/idempotency_key: all firings of the schedule would be one run",
                     "leave it out: each firing has a key of its own");
  return invocation;
}

EventTrigger event_trigger_of(json::object const& object) {
  EventTrigger trigger{
      .type = text_at(object, "type"), .source = optional_text(object, "source"), .filter = {}};
  if (auto const* filter = object.if_contains("filter"))
    for (auto const& condition : filter->get_object())
      trigger.filter.emplace_back(condition.key(), condition.value());
  return trigger;
}

RetryPolicy retry_of(json::object const& object) {
  RetryPolicy retry;
  retry.max_attempts = int_at(object, "max_attempts", retry.max_attempts);
  if (auto const* backoff = object.if_contains("backoff")) {
    retry.backoff_s.clear();
    for (auto const& seconds : backoff->get_array())
      retry.backoff_s.push_back(seconds.to_number<double>());
  }
  return retry;
}

Result<ScheduleTrigger> trigger_of(json::object const& object) {
  if (auto const cron = optional_text(object, "cron")) return CronTrigger{*cron};
  if (auto const* event = object.if_contains("event")) return event_trigger_of(event->get_object());
  auto instant = instant_at(object, "execute_at");
  if (!instant) return std::unexpected(instant.error());
  return OnceTrigger{**std::move(instant)};
}

Result<ScheduleTarget> target_of(json::object const& object) {
  if (auto const* dispatch = object.if_contains("dispatch")) {
    auto invocation = dispatch_of(*dispatch);
    if (!invocation) return std::unexpected(invocation.error());
    return *std::move(invocation);
  }
  auto request = request_of(object.at("request").get_object());
  if (!request) return std::unexpected(request.error());
  return *std::move(request);
}

// ---- printing

json::object request_json(ScheduledRequest const& request, HeaderValues values) {
  json::object out;
  out["url"] = request.url;
  if (request.method != "POST") out["method"] = request.method;
  json::object headers;
  for (auto const& [name, value] : request.headers)
    headers[name] =
        values == HeaderValues::keep || is_plain(name) ? std::string_view{value.reveal()} : "***";
  if (!headers.empty()) out["headers"] = std::move(headers);
  if (request.body) out["body"] = *request.body;
  if (request.timeout_s != 30) put(out, "timeout", std::optional{request.timeout_s});
  return out;
}

json::object event_trigger_json(EventTrigger const& trigger) {
  json::object out;
  out["type"] = trigger.type;
  put(out, "source", trigger.source);
  json::object filter;
  for (auto const& [pointer, value] : trigger.filter)
    filter[pointer] = value;
  if (!filter.empty()) out["filter"] = std::move(filter);
  return out;
}

json::object retry_json(RetryPolicy const& retry) {
  RetryPolicy const usual;
  json::object out;
  if (retry.max_attempts != usual.max_attempts) out["max_attempts"] = retry.max_attempts;
  if (retry.backoff_s == usual.backoff_s) return out;
  json::array backoff;
  for (double const seconds : retry.backoff_s) {
    json::object number;
    put(number, "s", std::optional{seconds});
    backoff.push_back(number.at("s"));
  }
  out["backoff"] = std::move(backoff);
  return out;
}

void put_trigger(json::object& out, ScheduleTrigger const& trigger) {
  if (auto const* cron = std::get_if<CronTrigger>(&trigger)) out["cron"] = cron->expression;
  if (auto const* once = std::get_if<OnceTrigger>(&trigger))
    out["execute_at"] = once->execute_at.given;
  if (auto const* event = std::get_if<EventTrigger>(&trigger))
    out["event"] = event_trigger_json(*event);
}

}  // namespace

Millis RetryPolicy::delay_after(std::int64_t attempts) const {
  if (backoff_s.empty()) return Millis{0};
  auto const last = static_cast<std::int64_t>(backoff_s.size()) - 1;
  auto const index = static_cast<std::size_t>(std::clamp<std::int64_t>(attempts - 1, 0, last));
  return Millis{std::llround(backoff_s[index] * 1000)};
}

Result<ScheduleJob> parse_schedule_job(std::string_view text) {
  auto const value = parse_checked(Contract::schedule, "job", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  ScheduleJob job;
  auto target = target_of(object);
  if (!target) return std::unexpected(target.error());
  job.target = *std::move(target);
  auto trigger = trigger_of(object);
  if (!trigger) return std::unexpected(trigger.error());
  job.trigger = *std::move(trigger);
  auto start = instant_at(object, "start_at");
  if (!start) return std::unexpected(start.error());
  job.start_at = *std::move(start);
  auto end = instant_at(object, "end_at");
  if (!end) return std::unexpected(end.error());
  job.end_at = *std::move(end);
  if (job.start_at && job.end_at && job.end_at->at <= job.start_at->at)
    return fail(ErrorCode::invalid_argument, "/end_at: it is not behind start_at");
  if (auto const id = optional_text(object, "id")) job.id = ScheduleId::trusted(*id);
  job.timezone = optional_text(object, "timezone");
  job.misfire = value_of(kMisfires, text_at(object, "misfire")).value_or(job.misfire);
  job.overlap = value_of(kOverlaps, text_at(object, "overlap")).value_or(job.overlap);
  job.jitter_s = int_at(object, "jitter_s");
  job.paused = bool_at(object, "paused");
  if (auto const* retry = object.if_contains("retry")) job.retry = retry_of(retry->get_object());
  job.idempotency_key = optional_text(object, "idempotency_key");
  if (auto const* metadata = object.if_contains("metadata")) job.metadata = *metadata;
  return job;
}

Result<IncomingEvent> parse_incoming_event(std::string_view text) {
  auto const value = parse_checked(Contract::schedule, "incomingEvent", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  IncomingEvent event;
  event.type = text_at(object, "type");
  event.source = optional_text(object, "source");
  event.id = optional_text(object, "id");
  event.subject = optional_text(object, "subject");
  event.data = object.at("data");
  auto const time = instant_at(object, "time");
  if (!time) return std::unexpected(time.error());
  if (*time) event.time = (*time)->at;
  return event;
}

Result<Hook> parse_hook(std::string_view text) {
  auto const value = parse_checked(Contract::schedule, "hook", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  return Hook{.name = text_at(object, "name"),
              .type = text_at(object, "type"),
              .type_header = optional_text(object, "type_header"),
              .scheme = value_of(kSchemes, text_at(object, "scheme")).value_or(HookScheme::drover)};
}

json::value to_json(ScheduleJob const& job, HeaderValues values) {
  json::object out;
  if (job.id) out["id"] = job.id->str();
  if (auto const* request = std::get_if<ScheduledRequest>(&job.target))
    out["request"] = request_json(*request, values);
  if (auto const* invocation = std::get_if<Invocation>(&job.target))
    out["dispatch"] = to_json(*invocation);
  put_trigger(out, job.trigger);
  put(out, "timezone", job.timezone);
  if (job.start_at) out["start_at"] = job.start_at->given;
  if (job.end_at) out["end_at"] = job.end_at->given;
  if (job.misfire != Misfire::once) out["misfire"] = to_string(job.misfire);
  if (job.overlap != Overlap::queue) out["overlap"] = to_string(job.overlap);
  if (job.jitter_s != 0) out["jitter_s"] = job.jitter_s;
  if (job.paused) out["paused"] = true;
  if (auto retry = retry_json(job.retry); !retry.empty()) out["retry"] = std::move(retry);
  put(out, "idempotency_key", job.idempotency_key);
  put(out, "metadata", job.metadata);
  return out;
}

json::value to_json(IncomingEvent const& event) {
  json::object out;
  out["type"] = event.type;
  put(out, "source", event.source);
  put(out, "id", event.id);
  put(out, "subject", event.subject);
  out["data"] = event.data;
  put_time(out, "time", event.time);
  return out;
}

json::value to_json(Hook const& hook) {
  json::object out;
  out["name"] = hook.name;
  out["type"] = hook.type;
  put(out, "type_header", hook.type_header);
  if (hook.scheme != HookScheme::drover) out["scheme"] = to_string(hook.scheme);
  return out;
}

std::string fingerprint(ScheduleJob const& job) {
  json::value value = to_json(job, HeaderValues::keep);
  value.get_object().erase("idempotency_key");
  return sha256_hex(json::serialize(value));
}

std::string_view to_string(Misfire misfire) {
  return name_of(kMisfires, misfire);
}
std::string_view to_string(Overlap overlap) {
  return name_of(kOverlaps, overlap);
}
std::string_view to_string(HookScheme scheme) {
  return name_of(kSchemes, scheme);
}

}  // namespace drover::contract
