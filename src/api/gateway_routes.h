#pragma once
// The gateway: which upstreams it has, and that its files are read anew.
//
// On the event loop.
#include "api/route_table.h"
#include "gateway/model_proxy.h"
#include "gateway/upstream_book.h"

namespace drover::api {

class GatewayRoutes {
 public:
  GatewayRoutes(gateway::ModelProxy& models, gateway::UpstreamBook& book)
      : models_(models), book_(book) {}
  [[nodiscard]] static RouteTable<GatewayRoutes> table();

 private:
  Task<Status> get_gateway(Call call, net::HttpReply& reply);
  Task<Status> reload(Call call, net::HttpReply& reply);

  gateway::ModelProxy& models_;
  gateway::UpstreamBook& book_;
};

}  // namespace drover::api
