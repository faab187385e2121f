#pragma once
// Whether a Redis user may do all that drover needs.
#include "redis/connection.h"

namespace drover::broker {

// What ACL SETUSER has to be given, for people.
inline constexpr std::string_view kRedisRights =
    "~task:* ~unit:* ~worker:active:* +ping +get +set +del +expire +eval +evalsha +select +xadd "
    "+xdel"
    " +xack +xclaim +xautoclaim +xpending +xrange +xrevrange +xreadgroup +xgroup";

// Tries each command on keys that nobody uses. forbidden names what is missing.
[[nodiscard]] Task<Status> check_rights(std::shared_ptr<redis::Connection> connection);

}  // namespace drover::broker
