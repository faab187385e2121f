#include "sim/machine.h"

#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"

namespace drover::sim {

namespace {

constexpr Nanos kBooted = std::chrono::seconds{1000};
constexpr Nanos kWallStart = std::chrono::seconds{1'767'225'600};  // 2026-01-01

struct Clocks {
  bool simulated = false;
  Nanos boot{0};
  Nanos wall{0};
};
Clocks clocks;

timespec to_timespec(Nanos time) {
  auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  timespec value{};
  value.tv_sec = seconds.count();
  value.tv_nsec = (time - seconds).count();
  return value;
}

int read_kernel_clock(clockid_t id, timespec* value) {
  return static_cast<int>(::syscall(SYS_clock_gettime, id, value));
}

bool is_wall(clockid_t id) {
  return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI;
}

bool is_cpu(clockid_t id) {
  return id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID;
}

}  // namespace

Machine::Machine() {
  DROVER_CHECK(!clocks.simulated);
  clocks = {true, kBooted, kWallStart};
}

Machine::~Machine() {
  clocks.simulated = false;
}

void Machine::advance(Nanos by) {
  DROVER_CHECK(by >= Nanos{0});
  clocks.boot += by;
  clocks.wall += by;
}

void Machine::step_wall(Nanos by) {
  clocks.wall += by;
}

Nanos Machine::since_boot() const {
  return clocks.boot;
}

WallTime Machine::wall() const {
  return WallTime{std::chrono::duration_cast<Micros>(clocks.wall)};
}

Nanos real_now() {
  timespec value{};
  DROVER_CHECK(read_kernel_clock(CLOCK_MONOTONIC, &value) == 0);
  return std::chrono::seconds{value.tv_sec} + Nanos{value.tv_nsec};
}

}  // namespace drover::sim

// What the C library would have been asked. Both are called by shared libraries as well, to which
// the program's own definition comes first.
extern "C" int clock_gettime(clockid_t id, timespec* value) noexcept {
  using drover::sim::clocks;
  if (!clocks.simulated || drover::sim::is_cpu(id))
    return drover::sim::read_kernel_clock(id, value);
  *value = drover::sim::to_timespec(drover::sim::is_wall(id) ? clocks.wall : clocks.boot);
  return 0;
}

extern "C" int timerfd_create(int clock, int flags) noexcept {
  if (!drover::sim::clocks.simulated)
    return static_cast<int>(::syscall(SYS_timerfd_create, clock, flags));
  errno = ENOSYS;
  return -1;
}
