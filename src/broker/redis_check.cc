#include "broker/redis_check.h"

#include <algorithm>
#include <string>
#include <vector>

#include "broker/redis_scripts.h"
#include "redis/failure.h"

namespace drover::broker {

namespace {

constexpr Millis kTimeout{3'000};

void try_units(std::vector<redis::Command>& commands) {
  std::string const out = "unit:drover-check:out";
  std::string const user = "drover-unit-check";
  commands.push_back({"XREAD", "COUNT", "1", "STREAMS", out, "0"});
  commands.push_back({"XLEN", out});
  commands.push_back({"ACL", "SETUSER", user, "reset"});
  commands.push_back({"ACL", "DELUSER", user});
  commands.push_back({"ACL", "USERS"});
}

std::vector<redis::Command> tries(RedisNeeds needs) {
  std::string const stream = "task:dispatch:drover-check";
  std::string const group = "check";
  std::vector<redis::Command> commands{
      {"PING"},
      {"XGROUP", "CREATE", stream, group, "0", "MKSTREAM"},
      {"XADD", stream, "NOMKSTREAM", "1-1", "check", "1"},
      take_script().whole({{stream, stream, stream, stream}, {group, "check", "1", "0"}}),
      {"XREADGROUP", "GROUP", group, "check", "COUNT", "1", "STREAMS", stream, ">"},
      {"XCLAIM", stream, group, "check", "0", "1-1", "JUSTID"},
      {"XAUTOCLAIM", stream, group, "check", "60000", "0"},
      {"XPENDING", stream, group, "IDLE", "60000", "-", "+", "1"},
      hand_back_script().whole({{stream}, {group, "1-1"}}),
      {"XRANGE", stream, "-", "+", "COUNT", "1"},
      {"XACK", stream, group, "1-1"},
      {"XDEL", stream, "1-1"},
      {"XGROUP", "DELCONSUMER", stream, group, "check"},
  };
  std::string const events = "task:run:drover-check";
  std::string const unit = "unit:drover-check:out";
  auto const append = append_script();
  commands.push_back(append.whole({{events, unit}, {"0", "10", "60", "1", "{}"}}));
  commands.push_back(append.by_digest({{events, unit}, {"0", "10", "60"}}));
  for (std::string const& key :
       {std::string{"worker:active:drover-check"}, std::string{"task:server:drover-check"}}) {
    commands.push_back({"SET", key, "1", "EX", "60"});
    commands.push_back({"SET", key, "1", "GET"});
    commands.push_back({"DEL", key});
  }
  commands.push_back({"DEL", stream, events, unit});
  if (needs == RedisNeeds::broker_and_units) try_units(commands);
  return commands;
}

}  // namespace

// Full memory is nothing to refuse for: it is what a Redis at work may come to.
Task<Status> check_rights(std::shared_ptr<redis::Connection> connection, RedisNeeds needs) {
  auto const replies = co_await connection->pipeline(tries(needs), kTimeout);
  if (!replies) co_return std::unexpected(replies.error());
  for (redis::Reply const& reply : *replies) {
    if (!reply.is_error()) continue;
    Error error = redis::to_error(reply, "carry for drover");
    if (error.code == ErrorCode::forbidden)
      error.next = fmt::format("give its user the rights with: ACL SETUSER NAME {}{}{}",
                               kRedisRights, needs == RedisNeeds::broker_and_units ? " " : "",
                               needs == RedisNeeds::broker_and_units ? kRedisUnitRights : "");
    bool const passes = error.code == ErrorCode::no_space || error.code == ErrorCode::unavailable ||
                        redis::error_kind(reply) == "NOGROUP" ||
                        redis::error_kind(reply) == "BUSYGROUP" ||
                        redis::error_kind(reply) == "NOSCRIPT";
    if (!passes) co_return std::unexpected(std::move(error));
  }
  co_return Status{};
}

}  // namespace drover::broker
