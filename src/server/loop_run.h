#pragma once
// Runs an event loop until a signal asks to stop, and then until its work has ended.
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
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
  friend void run_until_signal(boost::asio::io_context&, StopSignals&, std::function<Task<void>()>,
                               std::optional<Task<void>>);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs the loop until `task` has ended: while the process starts there is nothing else on it.
template <class T>
T run_to_end(boost::asio::io_context& io, Task<T> task) {
  // A loop that has run dry stands still until it is told; what comes from other threads is no work
  // of its own.
  auto const guard = boost::asio::make_work_guard(io);
  if (io.stopped()) io.restart();
  std::optional<T> result;
  boost::asio::co_spawn(io, std::move(task), [&](std::exception_ptr const& thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    result.emplace(std::move(value));
  });
  while (!result)
    io.run_one();
  return *std::move(result);
}

// `stop` is run once, on SIGTERM or SIGINT or when `done` has ended; when it has ended itself,
// run_until_signal returns. A second signal ends the process at once.
void run_until_signal(boost::asio::io_context& io, StopSignals& signals,
                      std::function<Task<void>()> stop,
                      std::optional<Task<void>> done = std::nullopt);

}  // namespace drover::server
