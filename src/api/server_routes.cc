#include "api/server_routes.h"

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/openapi.h"
#include "api/replies.h"

namespace drover::api {

RouteTable<ServerRoutes> ServerRoutes::table() {
  using Self = ServerRoutes;
  static constexpr std::array<RouteEntry<Self>, 4> kTable = {{
      {{"GET", "/api/v1/broker", "getBroker"}, Access::token, &Self::get_broker},
      {{"GET", "/api/v1/openapi.json", "getOpenApi"}, Access::token, &Self::get_openapi},
      {{"GET", "/healthz", "getHealth"}, Access::open, &Self::get_health},
      {{"GET", "/readyz", "getReadiness"}, Access::open, &Self::get_ready},
  }};
  return kTable;
}

// What carries offers and events, and whether it does. `degraded` loses nothing: work and streams
// of this server go on, other workers and readers of Redis wait.
Task<Status> ServerRoutes::get_broker(Call, net::HttpReply& reply) {
  json::object body{{"kind", "embedded"}, {"state", "ok"}};
  if (redis_ != nullptr) {
    auto const status = redis_->status();
    body["kind"] = "redis";
    body["at"] = json::string{status.at};
    body["offers_out"] = status.offers_out;
    body["streams_behind"] = status.streams_behind;
    if (status.problem) {
      body["state"] = "degraded";
      body["reason"] = json::string{status.problem->text()};
    }
  }
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> ServerRoutes::get_openapi(Call, net::HttpReply& reply) {
  net::Headers headers{{"content-type", "application/json"}};
  std::string document{openapi_document()};
  co_return co_await reply.send(200, std::move(headers), std::move(document));
}

Task<Status> ServerRoutes::get_health(Call, net::HttpReply& reply) {
  json::object body{{"status", "ok"}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> ServerRoutes::get_ready(Call, net::HttpReply& reply) {
  bool const refusing = services_.writer.stats().refusing;
  bool const full = !services_.reserve.held();
  json::object body{{"status", refusing ? "store_failed" : full ? "no_space" : "ok"}};
  co_return co_await reply_json(reply, refusing || full ? 503 : 200, std::move(body));
}

}  // namespace drover::api
