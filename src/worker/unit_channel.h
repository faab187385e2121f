#pragma once
// The server's end of one unit's socket: the unit API of docs/unit-api.md. It hands the unit its
// turns, takes its events into the run's stream under the run's epoch, and passes its model calls
// to the gateway. Everything that comes in is untrusted.
//
// On the event loop. Life: listen, any number of begin/end, close.
#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "net/http_server.h"
#include "worker/turn.h"
#include "worker/worker_parts.h"

namespace drover::worker {

class UnitChannel {
 public:
  // `unit` is the token's claim; `description` answers GET /v1/unit.
  UnitChannel(WorkerParts const& parts, std::string unit, json::object const& description);
  ~UnitChannel();
  UnitChannel(UnitChannel const&) = delete;
  UnitChannel& operator=(UnitChannel const&) = delete;

  [[nodiscard]] Status listen(std::string const& socket_path);
  // The next message. The channel had no turn.
  void begin(TurnPtr turn);
  // Asks the unit to end its turn in order.
  void interrupt();
  // Later events and model calls of the turn are refused.
  void end();
  // Cuts every connection and waits until their handlers have ended.
  Task<void> close();

 private:
  Task<void> handle(net::HttpRequest request, net::HttpReply& reply);
  Task<Status> route(net::HttpRequest request, net::HttpReply& reply);
  Task<Status> inbox(net::HttpRequest request, net::HttpReply& reply);
  Task<Status> events(net::HttpRequest request, net::HttpReply& reply);
  Task<Status> messages(net::HttpRequest request, net::HttpReply& reply);
  [[nodiscard]] Status authenticate(net::HttpRequest const& request) const;
  [[nodiscard]] json::object message() const;

  WorkerParts const& parts_;
  std::string unit_;
  std::string description_;
  std::unique_ptr<net::HttpServer> server_;
  TurnPtr turn_;
  bool interrupt_ = false;
  std::int64_t batch_stored_ = 0;  // the latest numbered batch of events that is durable
  std::int64_t batch_taken_ = 0;   // the latest that was begun
  os::AsyncEvent inbox_changed_;
};

}  // namespace drover::worker
