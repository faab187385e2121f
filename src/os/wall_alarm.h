#pragma once
// Rings at a time of the wall clock, also when that time comes by a step of the clock or passes
// while the machine sleeps, and when the clock was set at all. Nothing wakes up in between.
//
// On the event loop. The callback is run by the loop, never after the alarm is destroyed.
#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/any_io_executor.hpp>

#include "base/error.h"
#include "base/time.h"

namespace drover::os {

class WallAlarm {
 public:
  // unavailable when the process has no descriptor left.
  [[nodiscard]] static Result<std::unique_ptr<WallAlarm>> create(
      boost::asio::any_io_executor const& executor, std::function<void()> on_ring);
  ~WallAlarm();
  WallAlarm(WallAlarm const&) = delete;
  WallAlarm& operator=(WallAlarm const&) = delete;

  // Replaces what was set. nullopt: only when the clock is set.
  void set(std::optional<WallTime> at);

 private:
  struct State;
  explicit WallAlarm(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with the wait that is under way
};

}  // namespace drover::os
