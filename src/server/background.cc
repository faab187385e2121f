#include "server/background.h"

#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "base/log.h"

namespace drover::server {

void Background::spawn(Task<void> task, char const* name) {
  ++running_;
  boost::asio::co_spawn(io_, std::move(task), [this, name](std::exception_ptr const& thrown) {
    --running_;
    ended_.notify();
    if (thrown == nullptr) return;
    try {
      std::rethrow_exception(thrown);
    } catch (std::exception const& error) {
      log::error("background-task-failed", {{"task", name}, {"reason", error.what()}});
    }
  });
}

Task<void> Background::join() {
  while (running_ > 0) {
    auto const seen = ended_.version();
    co_await ended_.wait(seen);
  }
}

}  // namespace drover::server
