#include "server/loop_run.h"

#include <csignal>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/log.h"

namespace drover::server {

struct StopSignals::Impl {
  explicit Impl(boost::asio::io_context& io) : set(io, SIGTERM, SIGINT) {}
  boost::asio::signal_set set;
};

StopSignals::StopSignals(boost::asio::io_context& io) : impl_(std::make_unique<Impl>(io)) {
  // A client that goes away must not end the server.
  ::signal(SIGPIPE, SIG_IGN);
}

StopSignals::~StopSignals() = default;

void run_until_signal(boost::asio::io_context& io, StopSignals& signals,
                      std::function<Task<void>()> stop) {
  auto work = boost::asio::make_work_guard(io);
  signals.impl_->set.async_wait([&](boost::system::error_code error, int number) {
    if (error) return;
    log::info("stopping", {{"signal", number}});
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);
    boost::asio::co_spawn(io, stop(), [&](std::exception_ptr const& thrown) {
      if (thrown != nullptr) log::error("stop-failed");
      work.reset();
      io.stop();
    });
  });
  io.run();
}

}  // namespace drover::server
