#pragma once
// Clocks are passed in, so that a simulator can drive them.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover {

using Millis = std::chrono::milliseconds;
using Micros = std::chrono::microseconds;
using Nanos = std::chrono::nanoseconds;

// Wall-clock time: for people, tokens and cron. Never for leases.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
// Time since boot that no NTP step moves and that goes on over suspend: for leases and deadlines.
struct BootTime {
  Nanos since_boot{0};
  friend auto operator<=>(BootTime const&, BootTime const&) = default;
  friend BootTime operator+(BootTime time, Nanos delta) { return {time.since_boot + delta}; }
  friend Nanos operator-(BootTime left, BootTime right) {
    return left.since_boot - right.since_boot;
  }
};

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime now() const = 0;
  [[nodiscard]] virtual BootTime boot_now() const = 0;
};

// The machine's clock: CLOCK_REALTIME and CLOCK_BOOTTIME.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallTime now() const override;
  [[nodiscard]] BootTime boot_now() const override;
};

// A clock that stands still until it is moved: for tests and the simulator. Not thread-safe.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] WallTime now() const override { return wall_; }
  [[nodiscard]] BootTime boot_now() const override { return boot_; }
  void advance(Nanos delta) {
    boot_ = boot_ + delta;
    wall_ += std::chrono::duration_cast<Micros>(delta);
  }
  void set_wall(WallTime time) { wall_ = time; }

 private:
  WallTime wall_{std::chrono::seconds{1'767'225'600}};  // 2026-01-01
  BootTime boot_{std::chrono::seconds{1000}};
};

// RFC 3339 in UTC with milliseconds: 2026-11-21T03:34:27.123Z.
[[nodiscard]] std::string to_rfc3339(WallTime time);
// Accepts any offset and up to nine digits of a second.
[[nodiscard]] Result<WallTime> parse_rfc3339(std::string_view text);
[[nodiscard]] std::int64_t to_unix_ms(WallTime time);
[[nodiscard]] WallTime from_unix_ms(std::int64_t unix_ms);
// "450ms", "30s", "15m", "2h"; a bare number is seconds.
[[nodiscard]] Result<Millis> parse_duration(std::string_view text);

}  // namespace drover
