#include "broker/retention.h"

#include <chrono>
#include <utility>

#include "base/log.h"

namespace drover::broker {

Retention::Retention(OutputStreams& streams, store::DiskReserve const& reserve,
                     boost::asio::any_io_executor loop, RetentionOptions options)
    : streams_(streams), reserve_(reserve), options_(options), stopped_(std::move(loop)) {}

Task<void> Retention::trim() {
  if (!reserve_.held()) co_return;
  TrimPolicy const keep = options_.keep;
  auto const gone = co_await streams_.trim(keep);
  if (!gone) {
    log::error("events-not-trimmed", {{"reason", gone.error().text()}});
  } else if (*gone > 0) {
    log::info("events-trimmed", {{"events", *gone}});
  }
}

Task<void> Retention::run() {
  while (!stopping_) {
    auto const seen = stopped_.version();
    co_await trim();
    if (!stopping_) co_await stopped_.wait(seen, std::chrono::steady_clock::now() + options_.every);
  }
}

void Retention::stop() {
  stopping_ = true;
  stopped_.notify();
}

}  // namespace drover::broker
