#pragma once
// The gateway: which upstreams it has, that its files are read anew, what may be spent and what
// was.
//
// On the event loop.
#include "api/route_table.h"
#include "gateway/mcp_broker.h"
#include "gateway/token.h"
#include "gateway/upstream_book.h"
#include "worker/services.h"

namespace drover::api {

class GatewayRoutes {
 public:
  GatewayRoutes(worker::Services const& services, gateway::UpstreamBook& book,
                gateway::TokenKey& tokens, gateway::McpBroker& mcp)
      : services_(services), book_(book), tokens_(tokens), mcp_(mcp) {}
  [[nodiscard]] static RouteTable<GatewayRoutes> table();

 private:
  Task<Status> get_gateway(Call call, net::HttpReply& reply);
  Task<Status> reload(Call call, net::HttpReply& reply);
  Task<Status> rotate_key(Call call, net::HttpReply& reply);
  Task<Status> get_budgets(Call call, net::HttpReply& reply);
  Task<Status> put_budgets(Call call, net::HttpReply& reply);
  Task<Status> get_spend(Call call, net::HttpReply& reply);

  worker::Services const& services_;
  gateway::UpstreamBook& book_;
  gateway::TokenKey& tokens_;
  gateway::McpBroker& mcp_;
  bool rotating_ = false;
};

}  // namespace drover::api
