#pragma once
// Runs an event loop until a signal asks to stop, and then until its work has ended.
#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "os/blocking_pool.h"

namespace drover::server {

// The signals that ask to stop. Made before anything is started: one that comes early is kept for
// run_until_signal, and does not end the process with work half-begun.
class StopSignals {
 public:
  explicit StopSignals(boost::asio::io_context& io);
  ~StopSignals();
  StopSignals(StopSignals const&) = delete;
  StopSignals& operator=(StopSignals const&) = delete;

 private:
  friend void run_until_signal(boost::asio::io_context&, StopSignals&, std::function<Task<void>()>);
  friend void run_until_done(boost::asio::io_context&, StopSignals&, std::function<Task<void>()>,
                             Task<void>);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// `stop` is run once, on SIGTERM or SIGINT; when it has ended, run_until_signal returns. A second
// signal ends the process at once.
void run_until_signal(boost::asio::io_context& io, StopSignals& signals,
                      std::function<Task<void>()> stop);
// Also when `done` ends before a signal has come.
void run_until_done(boost::asio::io_context& io, StopSignals& signals,
                    std::function<Task<void>()> stop, Task<void> done);

}  // namespace drover::server
