#pragma once
// `worker:active:<session>` in Redis while a worker has the session at work: 90 s of life, beaten
// every 30 s. Whoever looks from outside tells by it a run that works from one that is lost.
#include <functional>
#include <set>
#include <string>

#include "base/id.h"
#include "broker/redis_duty.h"

namespace drover::broker {

inline constexpr Millis kHeartbeatLife{90'000};
inline constexpr Millis kHeartbeatEvery{30'000};

class RedisHeartbeats final : public RedisDuty {
 public:
  using Sessions = std::function<std::set<SessionId>()>;
  RedisHeartbeats(redis::Client& client, std::string worker, Sessions sessions);
  Task<Status> round(RedisData data) override;

 private:
  redis::Client& client_;
  std::string worker_;
  Sessions sessions_;
  std::set<SessionId> beating_;
};

}  // namespace drover::broker
