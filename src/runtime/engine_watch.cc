#include "runtime/engine_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/log.h"
#include "base/text.h"

namespace drover::runtime {

namespace {

using std::chrono::steady_clock;

constexpr Millis kConnectWait{30'000};
constexpr Millis kRetryFirst{200};
constexpr Millis kRetryMost{10'000};

}  // namespace

EngineWatch::EngineWatch(boost::asio::any_io_executor executor, DockerEngine& engine,
                         std::string oci_runtime, Hooks hooks)
    : engine_(engine),
      oci_runtime_(std::move(oci_runtime)),
      hooks_(std::move(hooks)),
      executor_(executor),
      changed_(std::move(executor)) {}

void EngineWatch::start(std::shared_ptr<void> owner) {
  hurry_ = true;
  if (watching_) {
    if (!connected_) changed_.notify();  // it may be waiting for its next try
    return;
  }
  watching_ = true;
  boost::asio::co_spawn(executor_, watch(*this, std::move(owner)), boost::asio::detached);
}

void EngineWatch::close() {
  closed_ = true;
  changed_.notify();
}

Task<Status> EngineWatch::connect(std::shared_ptr<void> owner) {
  auto const deadline = steady_clock::now() + kConnectWait;
  auto const attempts = attempts_;
  start(owner);
  while (!connected_ && attempts_ == attempts && !closed_ && steady_clock::now() < deadline) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen, deadline);
  }
  if (connected_) co_return Status{};
  if (last_failure_ && attempts_ != attempts) co_return std::unexpected(*last_failure_);
  co_return fail(ErrorCode::timeout, "the container engine at {} took longer than {} ms",
                 printable(engine_.address()), kConnectWait.count());
}

// Ends when it is closed, or where no engine answers and none is needed: the next start looks
// again.
Task<void> EngineWatch::watch(EngineWatch& self, std::shared_ptr<void> owner) {
  Millis retry = kRetryFirst;
  while (!self.closed_) {
    self.hurry_ = false;
    auto const outcome = co_await self.follow();
    if (self.closed_) co_return;
    if (self.connected_) {
      log::warn("engine-lost", {{"reason", outcome ? "its events ended" : outcome.error().text()}});
      retry = kRetryFirst;
    }
    self.connected_ = false;
    self.engine_.forget();
    if (!outcome) self.last_failure_ = outcome.error();
    ++self.attempts_;
    self.changed_.notify();
    if (!outcome && !self.hurry_ && !self.hooks_.needed()) {
      self.watching_ = false;
      co_return;
    }
    auto const deadline = steady_clock::now() + retry;
    retry = std::min(retry * 2, kRetryMost);
    while (!self.closed_ && !self.hurry_ && steady_clock::now() < deadline) {
      auto const seen = self.changed_.version();
      co_await self.changed_.wait(seen, deadline);
    }
  }
}

// One try: returns when the engine is out of reach, or its stream of events has ended.
Task<Status> EngineWatch::follow() {
  auto const identity = co_await hooks_.identity();
  if (!identity) co_return std::unexpected(identity.error());
  auto const facts = co_await engine_.facts(oci_runtime_);
  if (!facts) co_return std::unexpected(facts.error());
  auto const events = co_await engine_.events(*identity);
  if (!events) co_return std::unexpected(events.error());
  auto const looked_up = co_await hooks_.began();
  if (!looked_up) co_return looked_up;
  connected_ = true;
  changed_.notify();
  co_return co_await listen(**events);
}

Task<Status> EngineWatch::listen(net::ResponseStream& events) {
  LineSplitter splitter;
  while (!closed_) {
    auto const piece = co_await events.read();
    if (!piece) co_return std::unexpected(piece.error());
    if (!*piece) co_return Status{};
    auto const lines = splitter.feed(**piece);
    if (!lines) co_return std::unexpected(lines.error());
    for (auto const& line : *lines) {
      auto const event = parse_engine_event(line);
      if (!event) co_return std::unexpected(event.error());
      hooks_.heard(*event);
    }
  }
  co_return Status{};
}

}  // namespace drover::runtime
