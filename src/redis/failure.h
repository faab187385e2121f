#pragma once
// What an error reply of Redis means to drover.
#include <string_view>

#include "base/error.h"
#include "redis/reply.h"

namespace drover::redis {

// "NOGROUP", "OOM", …: the first word of an error reply.
[[nodiscard]] std::string_view error_kind(Reply const& reply);

// `what` is what was asked for: "offer runs". The codes:
//   unauthenticated  wrong user or password
//   forbidden        the ACL user lacks a right; the sentence names it
//   no_space         maxmemory is reached, or Redis cannot write its disk
//   unavailable      it loads, is busy, or is a replica: try again
//   unsupported      it does not know the command: too old
//   upstream         anything else
[[nodiscard]] Error to_error(Reply const& reply, std::string_view what);

// Would the same command fail the same way until somebody changes the configuration?
[[nodiscard]] bool needs_a_human(Error const& error);

}  // namespace drover::redis
