#pragma once
// Trims the output streams to what is kept, from time to time. On the event loop.
#include <boost/asio/any_io_executor.hpp>

#include "broker/stream.h"
#include "os/async_event.h"
#include "store/disk_reserve.h"

namespace drover::broker {

struct RetentionOptions {
  TrimPolicy keep;
  Millis every{3'600'000};
};

class Retention {
 public:
  // Both must outlive run(). While the reserve is given up nothing is trimmed: what a deletion
  // writes first would be taken from it.
  Retention(OutputStreams& streams, store::DiskReserve const& reserve,
            boost::asio::any_io_executor loop, RetentionOptions options);
  // Trims at once and then every `every`, until stop(). What fails is logged and tried again.
  Task<void> run();
  void stop();

 private:
  Task<void> trim();
  OutputStreams& streams_;
  store::DiskReserve const& reserve_;
  RetentionOptions const options_;
  bool stopping_ = false;
  os::AsyncEvent stopped_;
};

}  // namespace drover::broker
