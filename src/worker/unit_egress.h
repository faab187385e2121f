#pragma once
// CONNECT on a unit's socket: connections to the hosts that its agent may reach, each an event of
// the run. On the event loop.
#include <list>
#include <string>

#include "base/error.h"
#include "contract/event.h"
#include "gateway/tunnel.h"
#include "net/http_server.h"
#include "worker/turn.h"
#include "worker/worker_parts.h"

namespace drover::worker {

class UnitEgress {
 public:
  // Of one turn; each is an event.
  static constexpr std::int64_t kConnectionsMax = 10'000;

  explicit UnitEgress(WorkerParts const& parts) : parts_(parts) {}

  // Returns when the connection has ended. forbidden where the agent may not reach the host.
  Task<Status> connect(TurnPtr turn, net::HttpRequest request, net::HttpReply& reply);
  // Ends every connection there is.
  void end();

 private:
  Task<Status> note(TurnPtr turn, contract::EgressAttempt attempt);

  WorkerParts const& parts_;
  std::list<gateway::TunnelSwitchPtr> open_;
};

}  // namespace drover::worker
