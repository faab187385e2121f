#pragma once
// Connections of units to the hosts that their agent may reach: resolves the name, checks each
// address, and connects to one that was checked. On the event loop.
#include <expected>
#include <string>

#include "base/error.h"
#include "gateway/egress_policy.h"
#include "os/blocking_pool.h"
#include "os/fd.h"

namespace drover::gateway {

struct EgressConnection {
  os::Fd socket;  // does not block
  std::string address;
};

// forbidden says what is not allowed, unavailable and timeout that nobody answers there. The name
// is resolved once: what was checked is what is connected to.
Task<Result<EgressConnection>> connect_out(EgressPolicy policy, EgressTarget target);

}  // namespace drover::gateway
