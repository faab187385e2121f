#pragma once
// What a third-party worker needs to serve a session's unit, as the environment of its program:
// where its streams are and as whom to come, where the workspaces are on this host, and where to
// call the model. No key of a provider is among it.
//
// On the event loop.
#include <string>

#include "broker/redis_units.h"
#include "worker/services.h"
#include "worker/unit_environment.h"

namespace drover::worker {

struct ThirdPartyAccess {
  std::string unit;
  Environment environment;
};

// `server_url` is this server's as the program reaches it. `units` is null without third-party
// workers. conflict for a session whose unit is drover's own, or that was removed.
[[nodiscard]] Result<ThirdPartyAccess> third_party_access(Services const& services,
                                                          broker::RedisUnits const* units,
                                                          SessionRecord const& session,
                                                          std::string const& server_url);

}  // namespace drover::worker
