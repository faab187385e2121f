#pragma once
// An HTTP proxy on the sandbox's own loopback for programs that know of none but that: it passes
// each connection on over the unit socket, with the unit's token, and the gateway decides. A
// process of its own beside the unit, one thread, no state but its connections.
#include <cstdint>

#include "base/error.h"
#include "unit/switchboard.h"

namespace drover::unit {

inline constexpr std::size_t kRelayConnectionsMax = 100;

// Starts it, listening on 127.0.0.1:`port` when this returns; it ends with this process.
[[nodiscard]] Status start_egress_relay(Endpoint const& endpoint, std::uint16_t port);

}  // namespace drover::unit
