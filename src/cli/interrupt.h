#pragma once
// Ctrl-C while a run is followed. Between construction and destruction SIGINT does not end the
// process but is counted, and the first one sets a flag that blocking calls look at.
// One at a time in a process. The handler is async-signal-safe: it touches atomics only.
#include <signal.h>

#include <atomic>

#include "base/time.h"

namespace drover::cli {

class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(InterruptWatch const&) = delete;
  InterruptWatch& operator=(InterruptWatch const&) = delete;

  // Set by the first Ctrl-C.
  [[nodiscard]] static std::atomic<bool> const& flag();
  // Waits up to `window` for a second Ctrl-C; true when it came.
  [[nodiscard]] static bool pressed_again_within(Millis window);

 private:
  struct sigaction previous_{};
};

}  // namespace drover::cli
