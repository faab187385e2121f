#include "cli/follow.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>

#include "base/text.h"
#include "net/sse.h"

namespace drover::cli {

namespace {

constexpr Millis kIdleFollowing{45'000};  // three times the server's keep-alive
constexpr Millis kHeadTimeout{10'000};
constexpr Millis kBackoffFirst{100};
constexpr Millis kBackoffMax{2'000};
constexpr Millis kAbortLook{50};

class Follower {
 public:
  Follower(FollowRequest const& request, FollowHooks const& hooks, Clock const& clock,
           std::atomic<bool> const* abort)
      : request_(request), hooks_(hooks), clock_(clock), abort_(abort), last_(request.after) {}

  Result<FollowEnd> follow(Endpoint endpoint);

 private:
  Status one_connection(ApiClient& client);
  net::StreamStep on_bytes(net::SseParser& parser, std::string_view bytes);
  Status take(net::SseEvent const& event);
  bool aborted() const { return abort_ != nullptr && abort_->load(); }

  FollowRequest const& request_;
  FollowHooks const& hooks_;
  Clock const& clock_;
  std::atomic<bool> const* abort_;
  std::int64_t last_;
  bool complete_ = false;
  bool history_end_ = false;
  bool behind_gap_ = false;  // nothing has come since the server said that events are gone
  bool stopped_ = false;
  Status failed_;  // what ended the connection from our side
  BootTime heard_at_;
};

Status Follower::take(net::SseEvent const& event) {
  auto const value = parse_json(event.data);
  if (!value || !value->is_object())
    return fail(ErrorCode::upstream, "the server sent an event that is no JSON object: {}",
                printable(event.data, 80));
  json::object const& object = value->get_object();
  if (event.event == "gap") {
    std::int64_t const until = integer_or(object, "until", last_ + 1);
    hooks_.on_notice(fmt::format("events {} to {} are no longer kept", last_ + 1, until - 1));
    last_ = std::max(last_, until - 1);
    behind_gap_ = true;
    return {};
  }
  behind_gap_ = false;
  std::int64_t const seq = integer_or(object, "seq", 0);
  if (seq > 0 && seq <= last_) return {};
  if (seq > last_ + 1 && last_ > request_.after)
    hooks_.on_notice(fmt::format("events {} to {} are no longer kept", last_ + 1, seq - 1));
  if (seq > 0) last_ = seq;
  complete_ = string_or(object, "type", "") == "turn-complete";
  if (hooks_.on_event(event.data, object) == net::StreamStep::stop) stopped_ = true;
  return {};
}

net::StreamStep Follower::on_bytes(net::SseParser& parser, std::string_view bytes) {
  heard_at_ = clock_.boot_now();
  auto const events = parser.feed(bytes);
  if (!events) {
    failed_ = std::unexpected(events.error());
    return net::StreamStep::stop;
  }
  for (net::SseEvent const& event : *events) {
    if (aborted()) return net::StreamStep::stop;
    failed_ = take(event);
    if (!failed_ || complete_ || stopped_) return net::StreamStep::stop;
  }
  return net::StreamStep::more;
}

Status Follower::one_connection(ApiClient& client) {
  net::SseParser parser;
  failed_ = Status{};
  bool const follow = request_.follow == Follow::yes;
  std::string const path = fmt::format("/sessions/{}/runs/{}/events{}", request_.session,
                                       request_.run, follow ? "" : "?follow=false");
  auto const streamed =
      client.stream(path, last_ > 0 ? fmt::format("{}", last_) : "",
                    {.head = kHeadTimeout, .idle = kIdleFollowing},
                    [&](std::string_view bytes) { return on_bytes(parser, bytes); });
  if (!failed_) return failed_;
  if (complete_ || stopped_ || aborted()) return {};
  if (!streamed) return streamed;
  history_end_ = !follow || behind_gap_;
  if (history_end_) return {};
  // A terminal event ends the stream; without one the server was stopped.
  return fail(ErrorCode::unavailable, "the server ended the stream before the run's end");
}

Result<FollowEnd> Follower::follow(Endpoint endpoint) {
  heard_at_ = clock_.boot_now();
  Millis backoff = kBackoffFirst;
  bool told = false;
  for (;;) {
    ApiClient client{endpoint, abort_};
    std::int64_t const before = last_;
    Status const status = one_connection(client);
    if (complete_) return FollowEnd::complete;
    if (aborted()) return FollowEnd::aborted;
    if (stopped_) return FollowEnd::stopped;
    if (history_end_) return FollowEnd::history_end;
    if (status) return FollowEnd::stopped;
    Error const& error = status.error();
    if (!is_passing(error)) return std::unexpected(error);
    if (last_ > before) {
      backoff = kBackoffFirst;
      told = false;
    }
    if (clock_.boot_now() - heard_at_ > kReconnectFor) {
      Error lost = error;
      lost.code = ErrorCode::unavailable;
      lost.next = fmt::format("when the server is back: drover attach {}", request_.run);
      return std::unexpected(std::move(lost));
    }
    if (!told) hooks_.on_notice("the connection to the server is lost; connecting again");
    told = true;
    pause_for(backoff, abort_);
    backoff = std::min(backoff * 2, kBackoffMax);
    if (auto found = hooks_.locate()) endpoint = *std::move(found);
  }
}

}  // namespace

void pause_for(Millis duration, std::atomic<bool> const* abort) {
  for (Millis left = duration; left > Millis{0}; left -= kAbortLook) {
    if (abort != nullptr && abort->load()) return;
    timespec const step{0, std::min(left, kAbortLook).count() * 1'000'000};
    ::nanosleep(&step, nullptr);
  }
}

bool is_passing(Error const& error) {
  return error.code == ErrorCode::unavailable || error.code == ErrorCode::timeout ||
         error.code == ErrorCode::upstream;
}

Result<FollowEnd> follow_events(Endpoint endpoint, FollowRequest const& request,
                                FollowHooks const& hooks, Clock const& clock,
                                std::atomic<bool> const* abort) {
  return Follower{request, hooks, clock, abort}.follow(std::move(endpoint));
}

}  // namespace drover::cli
