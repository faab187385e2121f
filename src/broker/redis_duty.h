#pragma once
// Something that is to be kept true in Redis, and the loop that does it: when it is woken, at a
// period, when Redis is there again; with growing waits while it fails.
//
// On the event loop. Life: start, stop; the client and the duty must outlive it.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "os/async_event.h"
#include "redis/client.h"

namespace drover::broker {

enum class RedisData : std::uint8_t {
  kept,
  doubtful,  // what was written before may be gone: a new connection, a flush
};

class RedisDuty {
 public:
  virtual ~RedisDuty() = default;
  // Makes true what is not. Called again when it fails, with `doubtful` until it has succeeded.
  [[nodiscard]] virtual Task<Status> round(RedisData data) = 0;
};

class RedisDutyLoop {
 public:
  // `name` is for the log. `on_change` is called when problem() comes or goes.
  RedisDutyLoop(boost::asio::any_io_executor loop, redis::Client& client, Random& random,
                RedisDuty& duty, std::string name, Millis period, std::function<void()> on_change);
  ~RedisDutyLoop();
  RedisDutyLoop(RedisDutyLoop const&) = delete;
  RedisDutyLoop& operator=(RedisDutyLoop const&) = delete;

  void start();
  Task<void> stop();
  // Something is to be done. Costs next to nothing; calls that come together make one round.
  void wake();
  // What was written may be gone.
  void doubt();
  // Why it is not true now; nullopt when the last round has succeeded.
  [[nodiscard]] std::optional<Error> const& problem() const { return problem_; }

 private:
  Task<void> run();
  Task<Status> one_round();
  void set_problem(std::optional<Error> problem);

  boost::asio::any_io_executor loop_;
  redis::Client& client_;
  Random& random_;
  RedisDuty& duty_;
  std::string name_;
  Millis period_;
  std::function<void()> on_change_;
  std::optional<Error> problem_;
  std::uint64_t generation_ = 0;  // of the connection of the last good round
  bool doubtful_ = true;
  bool stopping_ = false;
  bool running_ = false;
  os::AsyncEvent wake_;
};

}  // namespace drover::broker
