#pragma once
// Coroutines that one owner starts on the event loop, and the wait for their end. On the event
// loop; whoever owns them asks them to end before it joins, and joins before it is destroyed.
#include <cstddef>

#include <boost/asio/any_io_executor.hpp>

#include "os/async_event.h"

namespace drover::os {

class TaskGroup {
 public:
  // `owner` is a literal: exceptions of tasks are logged as `<owner>-task-failed`.
  TaskGroup(boost::asio::any_io_executor executor, char const* owner)
      : executor_(executor), ended_(std::move(executor)), owner_(owner) {}
  TaskGroup(TaskGroup const&) = delete;
  TaskGroup& operator=(TaskGroup const&) = delete;

  // `name` is a literal, for the log.
  void spawn(Task<void> task, char const* name);
  // Returns when all have ended, or at the deadline: whether all have.
  Task<bool> join(AsyncEvent::TimePoint deadline = AsyncEvent::kForever);
  [[nodiscard]] std::size_t running() const { return running_; }

 private:
  boost::asio::any_io_executor executor_;
  AsyncEvent ended_;
  char const* owner_;
  std::size_t running_ = 0;
};

}  // namespace drover::os
