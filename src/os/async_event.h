#pragma once
// A wake-up for coroutines of one event loop: wait until notified or until a deadline.
#include <chrono>
#include <cstdint>
#include <list>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "os/blocking_pool.h"

namespace drover::os {

// Level-triggered by version: whoever reads version() before it looks at the state that it waits
// for misses nothing. Not thread-safe: used on the event loop only. Its waiters must be gone before
// it is destroyed.
class AsyncEvent {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr TimePoint kForever = TimePoint::max();

  explicit AsyncEvent(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  AsyncEvent(AsyncEvent const&) = delete;
  AsyncEvent& operator=(AsyncEvent const&) = delete;

  [[nodiscard]] std::uint64_t version() const { return version_; }
  [[nodiscard]] boost::asio::any_io_executor const& executor() const { return executor_; }
  void notify() {
    ++version_;
    for (auto* timer : waiting_)
      timer->cancel();
  }

  // Returns when the version is no longer `seen`, or at the deadline; the caller looks again.
  Task<void> wait(std::uint64_t seen, TimePoint deadline = kForever) {
    while (version_ == seen && std::chrono::steady_clock::now() < deadline) {
      boost::asio::steady_timer timer{executor_, deadline};
      Enrolment const enrolment{waiting_, timer};
      co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
  }

 private:
  // Takes the timer off the list also when the waiting coroutine is destroyed.
  class Enrolment {
   public:
    Enrolment(std::list<boost::asio::steady_timer*>& list, boost::asio::steady_timer& timer)
        : list_(list), place_(list.insert(list.end(), &timer)) {}
    ~Enrolment() { list_.erase(place_); }
    Enrolment(Enrolment const&) = delete;
    Enrolment& operator=(Enrolment const&) = delete;

   private:
    std::list<boost::asio::steady_timer*>& list_;
    std::list<boost::asio::steady_timer*>::iterator place_;
  };

  boost::asio::any_io_executor executor_;
  std::list<boost::asio::steady_timer*> waiting_;
  std::uint64_t version_ = 0;
};

}  // namespace drover::os
