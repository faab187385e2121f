#include "server/loop_run.h"

#include <csignal>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/log.h"

namespace drover::server {

void run_until_signal(boost::asio::io_context& io, std::function<Task<void>()> stop) {
  // A client that goes away must not end the server.
  ::signal(SIGPIPE, SIG_IGN);
  boost::asio::signal_set signals{io, SIGTERM, SIGINT};
  auto work = boost::asio::make_work_guard(io);
  signals.async_wait([&](boost::system::error_code error, int number) {
    if (error) return;
    log::info("stopping", {{"signal", number}});
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);
    boost::asio::co_spawn(io, stop(), [&](std::exception_ptr thrown) {
      if (thrown != nullptr) log::error("stop-failed");
      work.reset();
      io.stop();
    });
  });
  io.run();
}

}  // namespace drover::server
