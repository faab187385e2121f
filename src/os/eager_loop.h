#pragma once
// An event loop that does not sleep while something for it is about to come.
//
// A thread that sleeps is woken late: some ten microseconds, in a virtual machine some more, which
// is as long as a good disk takes for a sync. While `soon` says that another thread is about to
// post something, the loop looks for it instead, for at most `patience` at a time. A machine with
// one core gains nothing by that and sleeps.
#include <chrono>
#include <functional>
#include <thread>

#include <boost/asio/io_context.hpp>

#include "base/time.h"

namespace drover::os {

class EagerLoop {
 public:
  using Soon = std::function<bool()>;

  EagerLoop(boost::asio::io_context& io, Soon soon, Micros patience = Micros{200})
      : io_(io),
        soon_(std::move(soon)),
        patience_(std::thread::hardware_concurrency() > 1 ? patience : Micros{0}) {}

  // As io_context::run(): until it is stopped or out of work.
  void run() {
    while (run_one()) {
    }
  }
  // As io_context::run_one(). False once it is stopped.
  bool run_one() {
    if (io_.poll_one() > 0) return true;
    if (io_.stopped()) return false;
    auto const until = std::chrono::steady_clock::now() + patience_;
    while (soon_() && std::chrono::steady_clock::now() < until)
      if (io_.poll_one() > 0) return true;
    return io_.run_one() > 0;
  }

 private:
  boost::asio::io_context& io_;
  Soon soon_;
  Micros patience_;
};

}  // namespace drover::os
