#include "broker/redis_duty.h"

#include <chrono>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "base/check.h"
#include "base/log.h"

namespace drover::broker {

using Steady = std::chrono::steady_clock;

RedisDutyLoop::RedisDutyLoop(boost::asio::any_io_executor loop, redis::Client& client,
                             Random& random, RedisDuty& duty, std::string name, Millis period,
                             std::function<void()> on_change)
    : loop_(std::move(loop)),
      client_(client),
      random_(random),
      duty_(duty),
      name_(std::move(name)),
      period_(period),
      on_change_(std::move(on_change)),
      problem_(Error{ErrorCode::unavailable, "there is no connection to Redis yet", {}}),
      wake_(loop_) {}

RedisDutyLoop::~RedisDutyLoop() {
  DROVER_CHECK(!running_);
}

void RedisDutyLoop::start() {
  running_ = true;
  // A Redis that was away for a moment may have lost everything in it.
  client_.on_connected([this] { wake_.notify(); });
  boost::asio::co_spawn(loop_, run(), [this](std::exception_ptr const& thrown) {
    running_ = false;
    wake_.notify();
    if (thrown) std::rethrow_exception(thrown);
  });
}

Task<void> RedisDutyLoop::stop() {
  stopping_ = true;
  wake_.notify();
  client_.changed().notify();
  while (running_) {
    auto const seen = wake_.version();
    co_await wake_.wait(seen);
  }
}

void RedisDutyLoop::wake() {
  wake_.notify();
}

void RedisDutyLoop::doubt() {
  doubtful_ = true;
  wake_.notify();
}

void RedisDutyLoop::set_problem(std::optional<Error> problem) {
  bool const changes = problem.has_value() != problem_.has_value() ||
                       (problem && problem->message != problem_->message);
  problem_ = std::move(problem);
  if (!changes) return;
  // That there is no connection is the client's to say, once for all.
  if (problem_ && client_.is_connected())
    log::warn("redis-degraded", {{"duty", name_}, {"reason", problem_->text()}});
  if (!problem_) log::debug("redis-restored", {{"duty", name_}});
  if (on_change_) on_change_();
}

// Writes of this round to a connection that breaks are in doubt, and so is all that was written
// before.
Task<Status> RedisDutyLoop::one_round() {
  std::uint64_t const generation = client_.generation();
  bool const doubtful = std::exchange(doubtful_, false) || generation != generation_;
  auto done = co_await duty_.round(doubtful ? RedisData::doubtful : RedisData::kept);
  if (done && generation == client_.generation()) {
    generation_ = generation;
  } else {
    doubtful_ = true;
  }
  co_return done;
}

Task<void> RedisDutyLoop::run() {
  redis::Backoff backoff;
  while (!stopping_) {
    if (!client_.is_connected()) {
      if (client_.problem()) set_problem(client_.problem());
      auto const seen = client_.changed().version();
      if (!client_.is_connected() && !stopping_) co_await client_.changed().wait(seen);
      continue;
    }
    auto const seen = wake_.version();
    auto const done = co_await one_round();
    if (done) {
      backoff.reset();
      set_problem(std::nullopt);
      bool const more = doubtful_ || client_.generation() != generation_;
      if (!more) co_await wake_.wait(seen, Steady::now() + period_);
      continue;
    }
    if (stopping_) break;
    set_problem(done.error());
    // Not woken earlier: that is what would make it a busy loop.
    auto const until = Steady::now() + backoff.next(random_);
    while (!stopping_ && Steady::now() < until) {
      auto const now = wake_.version();
      co_await wake_.wait(now, until);
    }
  }
}

}  // namespace drover::broker
