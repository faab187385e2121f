#pragma once
// Two connections as one: what either says goes to the other, until both have ended, or neither has
// said anything for a while. On the event loop.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/time.h"
#include "os/blocking_pool.h"
#include "os/fd.h"

namespace drover::gateway {

struct TunnelEnds {
  os::Fd inside;  // both do not block
  os::Fd outside;
  std::string from_inside;  // came before
};

struct TunnelReport {
  std::int64_t bytes_out = 0;
  std::int64_t bytes_in = 0;
};

// Ends a tunnel from outside. Held by whoever may want to, and by the tunnel.
class TunnelSwitch {
 public:
  void end() {
    ended_ = true;
    if (wake_) wake_();
  }
  [[nodiscard]] bool ended() const { return ended_; }
  void on_end(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  std::function<void()> wake_;
  bool ended_ = false;
};
using TunnelSwitchPtr = std::shared_ptr<TunnelSwitch>;

// What waits on its way is bounded by 64 KiB in each direction: a slow reader slows its writer
// down. The connections are closed when this ends, also where it is cancelled.
Task<TunnelReport> run_tunnel(TunnelEnds ends, Millis silence_max, TunnelSwitchPtr off);

}  // namespace drover::gateway
