#pragma once
// The server itself: whether it lives and can work, what carries its work, and what it offers.
//
// On the event loop.
#include "api/route_table.h"
#include "broker/redis_broker.h"
#include "worker/services.h"

namespace drover::api {

class ServerRoutes {
 public:
  explicit ServerRoutes(worker::Services const& services) : services_(services) {}
  // Without it the embedded broker is told of.
  void set_redis(broker::RedisBroker const& redis) { redis_ = &redis; }
  [[nodiscard]] static RouteTable<ServerRoutes> table();

 private:
  Task<Status> get_broker(Call call, net::HttpReply& reply);
  Task<Status> get_openapi(Call call, net::HttpReply& reply);
  Task<Status> get_health(Call call, net::HttpReply& reply);
  Task<Status> get_ready(Call call, net::HttpReply& reply);

  worker::Services const& services_;
  broker::RedisBroker const* redis_ = nullptr;  // null: there is none
};

}  // namespace drover::api
