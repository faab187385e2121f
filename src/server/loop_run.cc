#include "server/loop_run.h"

#include <csignal>
#include <utility>

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

namespace {

// Stops once, whoever asks first.
class Stopping {
 public:
  Stopping(boost::asio::io_context& io, std::function<Task<void>()> stop)
      : io_(io), stop_(std::move(stop)) {}
  // Whoever has read the log's line may send the second signal.
  void begin_on(int signal_number) {
    take_next_signal();
    log::info("stopping", {{"signal", signal_number}});
    begin();
  }
  void begin() {
    if (begun_) return;
    begun_ = true;
    take_next_signal();
    boost::asio::co_spawn(io_, stop_(), [this](std::exception_ptr const& thrown) {
      if (thrown != nullptr) log::error("stop-failed");
      work_.reset();
      io_.stop();
    });
  }

 private:
  // From here on a signal ends the process.
  static void take_next_signal() {
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);
  }

  boost::asio::io_context& io_;
  std::function<Task<void>()> stop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  bool begun_ = false;
};

}  // namespace

void run_until_signal(boost::asio::io_context& io, StopSignals& signals,
                      std::function<Task<void>()> stop, std::optional<Task<void>> done) {
  Stopping stopping{io, std::move(stop)};
  signals.impl_->set.async_wait([&](boost::system::error_code error, int number) {
    if (error) return;
    stopping.begin_on(number);
  });
  if (done)
    boost::asio::co_spawn(io, *std::move(done), [&](std::exception_ptr const& thrown) {
      if (thrown != nullptr) log::error("work-failed");
      stopping.begin();
    });
  io.run();
}

}  // namespace drover::server
