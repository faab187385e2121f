#pragma once
// Runs an event loop until a signal asks to stop, and then until its work has ended.
#include <functional>

#include <boost/asio/io_context.hpp>

#include "os/blocking_pool.h"

namespace drover::server {

// `stop` is run once, on SIGTERM or SIGINT; when it has ended, run_until_signal returns. A second
// signal ends the process at once.
void run_until_signal(boost::asio::io_context& io, std::function<Task<void>()> stop);

}  // namespace drover::server
