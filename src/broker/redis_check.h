#pragma once
// Whether a Redis user may do all that drover needs.
#include "redis/connection.h"

namespace drover::broker {

// What ACL SETUSER has to be given, for people.
inline constexpr std::string_view kRedisRights =
    "~task:* ~unit:* ~worker:active:* +ping +get +set +del +expire +eval +evalsha +select +xadd "
    "+xdel"
    " +xack +xclaim +xautoclaim +xpending +xrange +xrevrange +xreadgroup +xgroup";

// With units of third-party workers besides.
inline constexpr std::string_view kRedisUnitRights =
    "+xread +xlen +acl|setuser +acl|deluser +acl|users";

enum class RedisNeeds : std::uint8_t { broker, broker_and_units };

// Tries each command on keys that nobody uses. forbidden names what is missing.
[[nodiscard]] Task<Status> check_rights(std::shared_ptr<redis::Connection> connection,
                                        RedisNeeds needs);

}  // namespace drover::broker
