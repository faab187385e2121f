#include "os/task_group.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "base/log.h"

namespace drover::os {

void TaskGroup::spawn(Task<void> task, char const* name) {
  ++running_;
  boost::asio::co_spawn(executor_, std::move(task), [this, name](std::exception_ptr const& thrown) {
    --running_;
    ended_.notify();
    if (thrown == nullptr) return;
    try {
      std::rethrow_exception(thrown);
    } catch (std::exception const& error) {
      log::error(fmt::format("{}-task-failed", owner_), {{"task", name}, {"reason", error.what()}});
    }
  });
}

Task<bool> TaskGroup::join(AsyncEvent::TimePoint deadline) {
  while (running_ > 0 && std::chrono::steady_clock::now() < deadline) {
    auto const seen = ended_.version();
    co_await ended_.wait(seen, deadline);
  }
  co_return running_ == 0;
}

}  // namespace drover::os
