#include "fleet/health.h"

#include <fmt/format.h>

#include <algorithm>

namespace drover::fleet {

namespace {

constexpr std::size_t kEndsKept = 16;

std::size_t recent_ends(Seen const& seen, BootTime now) {
  return static_cast<std::size_t>(
      std::ranges::count_if(seen.ends, [&](BootTime end) { return now - end < kLoopWindow; }));
}

// One that an engine starts again and again goes on so while no server runs.
bool engine_loops(Seen const& seen) {
  return seen.phase == Phase::restarting &&
         seen.engine_restarts >= static_cast<std::int64_t>(kLoopEnds);
}

bool loops(Seen const& seen, BootTime now) {
  if (engine_loops(seen)) return true;
  if (recent_ends(seen, now) < kLoopEnds) return false;
  bool const up = seen.phase == Phase::running && seen.came.has_value();
  return !up || now - *seen.came < kCalmRun;
}

std::int64_t seconds(Nanos time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

std::string how_it_ended(LastEnd const& end) {
  constexpr int kSignalled = 128;
  std::string how;
  if (end.exit_code && *end.exit_code > kSignalled)
    how = fmt::format(", the last time by signal {}", *end.exit_code - kSignalled);
  else if (end.exit_code)
    how = fmt::format(", the last time with exit status {}", *end.exit_code);
  if (end.out_of_memory) how += how.empty() ? ": its memory ran out" : ", as its memory ran out";
  return how;
}

Health judge_loop(Seen const& seen, BootTime now) {
  auto const ends = recent_ends(seen, now);
  std::string const how = how_it_ended(seen.last_end);
  if (ends < kLoopEnds)
    return {State::crash_loop, fmt::format("its engine has started its program again {} times{}",
                                           seen.engine_restarts, how)};
  return {State::crash_loop, fmt::format("its program has ended {} times in the last {} minutes{}",
                                         ends, seconds(kLoopWindow) / 60, how)};
}

Health judge_running(Seen const& seen, BootTime now) {
  std::string const reason = seen.failure ? seen.failure->text() : std::string{};
  auto const said = seen.heartbeat;
  if (said && now - *said < kHeartbeatWait) return {State::running, reason};
  if (said)
    return {State::unhealthy,
            fmt::format("its program was last heard {} s ago", seconds(now - *said))};
  if (!seen.came || now - *seen.came < kHeartbeatWait) return {State::starting, reason};
  return {State::unhealthy,
          fmt::format("its program runs for {} s and has said nothing", seconds(now - *seen.came))};
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::starting:
      return "starting";
    case State::running:
      return "running";
    case State::unhealthy:
      return "unhealthy";
    case State::crash_loop:
      return "crash_loop";
    case State::stopped:
      return "stopped";
    case State::failed:
      return "failed";
    case State::foreign:
      return "foreign";
  }
  return "unknown";
}

Health judge(Seen const& seen, BootTime now) {
  std::string const failure = seen.failure ? seen.failure->text() : std::string{};
  if (!seen.wanted) return {State::stopped, failure};
  bool const up = seen.phase == Phase::running || seen.phase == Phase::restarting;
  if (seen.foreign && !up) return {State::foreign, failure};
  if (seen.failure && !up) return {State::failed, failure};
  if (loops(seen, now)) return judge_loop(seen, now);
  if (seen.phase == Phase::running) return judge_running(seen, now);
  return {State::starting, failure};
}

Run note_end(Seen& seen, BootTime now, LastEnd end) {
  seen.last_end = end;
  bool const calm = seen.came && now - *seen.came >= kCalmRun;
  seen.came.reset();
  seen.heartbeat.reset();
  if (calm) {
    seen.ends.clear();
    return Run::calm;
  }
  seen.ends.push_back(now);
  if (seen.ends.size() > kEndsKept) seen.ends.pop_front();
  return Run::brief;
}

}  // namespace drover::fleet
