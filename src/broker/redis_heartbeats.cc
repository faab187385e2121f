#include "broker/redis_heartbeats.h"

#include <utility>

#include "redis/failure.h"

namespace drover::broker {

RedisHeartbeats::RedisHeartbeats(redis::Client& client, std::string worker, Sessions sessions)
    : client_(client), worker_(std::move(worker)), sessions_(std::move(sessions)) {}

Task<Status> RedisHeartbeats::round(RedisData) {
  std::string const life =
      fmt::to_string(std::chrono::duration_cast<std::chrono::seconds>(kHeartbeatLife).count());
  auto const key_of = [](SessionId const& session) { return "worker:active:" + session.str(); };
  std::set<SessionId> active = sessions_();
  std::vector<redis::Command> commands;
  for (SessionId const& session : active)
    commands.push_back({"SET", key_of(session), worker_, "EX", life});
  for (SessionId const& session : beating_)
    if (!active.contains(session)) commands.push_back({"DEL", key_of(session)});
  auto const replies = co_await client_.pipeline(std::move(commands));
  if (!replies) co_return std::unexpected(replies.error());
  for (redis::Reply const& reply : *replies)
    if (reply.is_error()) co_return std::unexpected(redis::to_error(reply, "keep heartbeats"));
  beating_ = std::move(active);
  co_return Status{};
}

}  // namespace drover::broker
