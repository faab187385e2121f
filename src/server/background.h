#pragma once
// The server's own tasks on the event loop, and the wait for their end. On the event loop.
#include <boost/asio/io_context.hpp>

#include "os/async_event.h"
#include "os/blocking_pool.h"

namespace drover::server {

class Background {
 public:
  explicit Background(boost::asio::io_context& io) : io_(io), ended_(io.get_executor()) {}
  // An exception of the task is logged under `name`, a literal.
  void spawn(Task<void> task, char const* name);
  // Returns when all have ended; whoever owns them has asked them to.
  Task<void> join();

 private:
  boost::asio::io_context& io_;
  os::AsyncEvent ended_;
  int running_ = 0;
};

}  // namespace drover::server
