#pragma once
// The events of a run in order, each once, over lost connections and restarts of the server.
// Blocking; everything is called on the caller's thread.
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"
#include "cli/api_client.h"
#include "cli/command_line.h"
#include "net/blocking_http.h"

namespace drover::cli {

enum class FollowEnd : std::uint8_t {
  complete,     // the run's terminal event was handed over
  history_end,  // Follow::no, and there is nothing more for now; or the rest is no longer kept
  stopped,      // on_event said so
  aborted,      // `abort` was set
};

struct FollowRequest {
  SessionId session;
  RunId run;
  std::int64_t after = 0;  // begin behind this event number
  Follow follow = Follow::yes;
};

struct FollowHooks {
  // `data` is the event as it came, without line breaks.
  std::function<net::StreamStep(std::string_view data, json::object const& event)> on_event;
  // One line for people: the connection was lost, events are missing.
  std::function<void(std::string const& line)> on_notice;
  // Where the server is now: after a restart it may have another port and token.
  std::function<Result<Endpoint>()> locate;
};

// How long a lost server is looked for, counted from the last byte it sent.
inline constexpr Millis kReconnectFor{30'000};

// Worth another try: the server went away, or says that it is not there yet.
[[nodiscard]] bool is_passing(Error const& error);
// Ends early when `abort` is set, which may be nullptr.
void pause_for(Millis duration, std::atomic<bool> const* abort);

// Errors: what the server says for good (not_found, unauthenticated, …), and unavailable after
// kReconnectFor without a server. `abort` is borrowed, may be nullptr.
[[nodiscard]] Result<FollowEnd> follow_events(Endpoint endpoint, FollowRequest const& request,
                                              FollowHooks const& hooks, Clock const& clock,
                                              std::atomic<bool> const* abort);

}  // namespace drover::cli
