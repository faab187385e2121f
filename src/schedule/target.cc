#include "schedule/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "schedule/placeholders.h"

namespace drover::schedule {

namespace {

constexpr Millis kConnectMax{10'000};

std::string_view host_of(std::string_view url) {
  auto const begin = url.find("://") + 3;
  auto const authority = url.substr(begin, url.find_first_of("/?#\\", begin) - begin);
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

// Of drover's own making; the job may not say otherwise.
bool is_ours(std::string_view header) {
  return iequals(header, "idempotency-key") || iequals(header, "x-drover-attempt");
}

}  // namespace

std::string idempotency_key(ScheduleId const& schedule, FiringRecord const& firing) {
  // A person's own key may be as long as a whole key may be.
  constexpr std::size_t kKeyBytesMax = 200;
  std::string key = fmt::format("schedule:{}:{}", schedule, firing.key);
  if (key.size() > kKeyBytesMax) key = fmt::format("schedule:{}:#{}", schedule, firing.id);
  return key;
}

Result<contract::Invocation> invocation_of(Start const& start) {
  auto invocation = std::get<contract::Invocation>(start.schedule.job.target);
  invocation.trigger = start.firing.cause == FiringCause::event ? contract::Trigger::event
                                                                : contract::Trigger::scheduled;
  invocation.identity.launcher = {.kind = contract::Launcher::Kind::schedule,
                                  .name = start.schedule.id.str()};
  invocation.idempotency_key = idempotency_key(start.schedule.id, start.firing);
  auto* const entrypoint = std::get_if<contract::Entrypoint>(&invocation.start);
  if (start.event.empty() || entrypoint == nullptr || !entrypoint->inline_prompt) return invocation;
  auto const event = parse_json(start.event);
  if (!event) return std::unexpected(event.error());
  auto filled = fill_placeholders(*entrypoint->inline_prompt, *event);
  if (!filled) return std::unexpected(filled.error());
  entrypoint->inline_prompt = *std::move(filled);
  return invocation;
}

net::ClientRequest request_of(Start const& start, net::Reach reach) {
  auto const& wanted = std::get<contract::ScheduledRequest>(start.schedule.job.target);
  net::ClientRequest request;
  request.method = wanted.method;
  request.url = wanted.url;
  request.reach = reach;
  for (auto const& [name, value] : wanted.headers)
    if (!is_ours(name)) request.headers.add(name, value.reveal());
  request.headers.add("Idempotency-Key", idempotency_key(start.schedule.id, start.firing));
  request.headers.add("X-Drover-Attempt", fmt::format("{}", start.firing.attempts));
  bool const is_text = wanted.body && wanted.body->is_string();
  if (wanted.body) {
    request.body = is_text ? std::string{wanted.body->get_string()} : json::serialize(*wanted.body);
  } else {
    request.body = start.event;
  }
  if (!request.body.empty() && request.headers.find("content-type") == nullptr)
    request.headers.add("Content-Type", is_text ? "text/plain; charset=utf-8" : "application/json");
  Millis const timeout{static_cast<std::int64_t>(wanted.timeout_s * 1000)};
  request.timeouts.connect = std::clamp(timeout, Millis{1}, kConnectMax);
  request.timeouts.head = request.timeouts.idle = request.timeouts.total =
      std::max(timeout, Millis{1});
  return request;
}

Status check_request(contract::ScheduledRequest const& request, net::Reach reach) {
  net::Headers headers;
  for (auto const& [name, value] : request.headers) {
    if (is_ours(name))
      return fail(ErrorCode::invalid_argument, "/request/headers/{}: drover sets this one itself",
                  escape_pointer(name));
    headers.add(name, value.reveal());
  }
  if (auto const fits = net::check_headers(headers); !fits)
    return fail(ErrorCode::invalid_argument, "/request/headers: {}", fits.error().message);
  auto const kind = net::kind_of_literal(host_of(request.url));
  if (kind && !net::may_reach(reach, *kind))
    return fail_next(ErrorCode::invalid_argument,
                     "/request/url: the address is in a network that scheduled requests may not "
                     "reach",
                     "loopback and private networks are allowed by DROVER_SCHEDULE_ALLOW_PRIVATE=1 "
                     "in the server's environment; link-local ones never are");
  return {};
}

}  // namespace drover::schedule
