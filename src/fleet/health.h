#pragma once
// How an instance is, from what is known of it. Pure.
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "fleet/plan.h"

namespace drover::fleet {

enum class State : std::uint8_t {
  starting,    // its program has not said yet that it is there
  running,     // and says so again and again
  unhealthy,   // it has stopped saying so
  crash_loop,  // it ends again and again soon after it was started
  stopped,     // nobody wants it to run; its state is kept
  failed,      // it cannot be brought up
  foreign,     // what has its name is somebody else's
};
[[nodiscard]] std::string_view to_string(State state);

inline constexpr Millis kHeartbeatWait{30'000};
inline constexpr Millis kCalmRun{60'000};  // after which an end is no part of a loop
inline constexpr Millis kLoopWindow{600'000};
inline constexpr std::size_t kLoopEnds = 3;

// How a program ended.
struct LastEnd {
  std::optional<int> exit_code{};  // 128 + signal where a signal ended it
  bool out_of_memory = false;
};

// What has been seen of one instance.
struct Seen {
  bool wanted = false;
  std::optional<Phase> phase{};    // of its container; none: there is none
  std::optional<BootTime> came{};  // when its program was last seen to start
  std::optional<BootTime> heartbeat{};
  std::deque<BootTime> ends{};  // of short runs, the newest last
  LastEnd last_end{};           // as far as it is known
  // So often has its engine started it again by itself, if it does that at this moment; 0: not.
  std::int64_t engine_restarts = 0;
  std::optional<Error> failure{};  // of what was last tried
  bool foreign = false;            // that failure: the name is somebody else's
};

struct Health {
  State state = State::stopped;
  std::string reason{};  // empty where there is nothing to say
};
[[nodiscard]] Health judge(Seen const& seen, BootTime now);

// Its program has ended. Whether it had run for so long that the end counts as none of a loop.
enum class Run : std::uint8_t { brief, calm };
Run note_end(Seen& seen, BootTime now, LastEnd end = {});

}  // namespace drover::fleet
