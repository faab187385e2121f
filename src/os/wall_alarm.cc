#include "os/wall_alarm.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/check.h"

namespace drover::os {

struct WallAlarm::State : std::enable_shared_from_this<State> {
  State(boost::asio::any_io_executor const& executor, int fd, std::function<void()> callback)
      : descriptor(executor, fd), on_ring(std::move(callback)) {}

  void wait() {
    descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](boost::system::error_code error) {
                            if (!error && self->on_ring) self->ring();
                          });
  }
  void ring() {
    std::uint64_t times = 0;
    auto const got = ::read(descriptor.native_handle(), &times, sizeof times);
    // ECANCELED: the clock was set. EAGAIN: set() has replaced what was about to ring.
    bool const rings = got == sizeof times || (got < 0 && errno == ECANCELED);
    wait();
    if (rings) on_ring();
  }

  boost::asio::posix::stream_descriptor descriptor;
  std::function<void()> on_ring;
};

WallAlarm::WallAlarm(std::shared_ptr<State> state) : state_(std::move(state)) {}

WallAlarm::~WallAlarm() {
  state_->on_ring = nullptr;
  state_->descriptor.close();
}

Result<std::unique_ptr<WallAlarm>> WallAlarm::create(boost::asio::any_io_executor const& executor,
                                                     std::function<void()> on_ring) {
  int const fd = ::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) return fail_errno("make a timer on", "the wall clock");
  auto state = std::make_shared<State>(executor, fd, std::move(on_ring));
  state->wait();
  auto alarm = std::unique_ptr<WallAlarm>{new WallAlarm{std::move(state)}};
  alarm->set(std::nullopt);
  return alarm;
}

void WallAlarm::set(std::optional<WallTime> at) {
  // Far enough not to come, near enough for every kernel's arithmetic: the year 2200.
  constexpr std::int64_t kNeverSeconds = 7'258'118'400;
  constexpr std::int64_t kMicros = 1'000'000;
  std::int64_t const micros =
      at ? std::clamp<std::int64_t>(at->time_since_epoch().count(), 1, kNeverSeconds * kMicros)
         : kNeverSeconds * kMicros;
  itimerspec when{};
  when.it_value.tv_sec = micros / kMicros;
  when.it_value.tv_nsec = micros % kMicros * 1000;
  int const set = ::timerfd_settime(state_->descriptor.native_handle(),
                                    TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, nullptr);
  // A clock that was set since the last read is told by ECANCELED here, too; the timer is armed all
  // the same, and whoever sets it has just looked at the clock.
  DROVER_CHECK(set == 0 || errno == ECANCELED);
}

}  // namespace drover::os
