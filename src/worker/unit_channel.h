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
#include "worker/unit_egress.h"
#include "worker/unit_line.h"
#include "worker/worker_parts.h"

namespace drover::worker {

class UnitChannel final : public UnitLine {
 public:
  // `unit` is the token's claim; `description` answers GET /v1/unit.
  UnitChannel(WorkerParts const& parts, std::string unit, json::object const& description);
  ~UnitChannel() override;
  UnitChannel(UnitChannel const&) = delete;
  UnitChannel& operator=(UnitChannel const&) = delete;

  // The only token that is let in, for as long as the channel is open.
  void admit(std::string token_id) { token_id_ = std::move(token_id); }
  [[nodiscard]] Status listen(std::string const& socket_path);
  void begin(TurnPtr turn) override;
  void interrupt() override;
  void end() override;
  // Cuts every connection and waits until their handlers have ended.
  Task<void> close() override;

 private:
  Task<void> handle(net::HttpRequest request, net::HttpReply& reply);
  Task<Status> route(net::HttpRequest request, net::HttpReply& reply);
  Task<Status> inbox(net::HttpRequest request, net::HttpReply& reply);
  Task<Status> events(net::HttpRequest request, net::HttpReply& reply);
  Task<Status> models(net::HttpRequest request, net::HttpReply& reply);
  Task<Status> call_model(net::HttpRequest request, net::HttpReply& reply);
  Task<Status> call_mcp(net::HttpRequest request, net::HttpReply& reply);
  [[nodiscard]] json::object message() const;

  WorkerParts const& parts_;
  std::string unit_;
  std::string token_id_;
  std::string description_;
  UnitEgress egress_;
  std::unique_ptr<net::HttpServer> server_;
  TurnPtr turn_;
  bool interrupt_ = false;
  std::int64_t batch_stored_ = 0;  // the latest numbered batch of events that is durable
  std::int64_t batch_taken_ = 0;   // the latest that was begun
  os::AsyncEvent inbox_changed_;
};

}  // namespace drover::worker
