#include "api/gateway_routes.h"

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "net/http_types.h"

namespace drover::api {

namespace {

json::array texts_of(std::vector<std::string> const& texts) {
  json::array array;
  for (std::string const& text : texts)
    array.push_back(json::string{text});
  return array;
}

json::object print_upstream(gateway::Upstream const& upstream, bool has_key) {
  json::array formats;
  for (model::WireFormat const format : upstream.formats)
    formats.push_back(json::string{model::to_string(format)});
  return {{"name", json::string{upstream.name}},
          {"kind", std::move(formats)},
          {"base_url", json::string{net::url_for_people(upstream.base_url)}},
          {"key", has_key},
          {"models", texts_of(upstream.models)}};
}

json::object print_set(gateway::UpstreamSet const& set) {
  json::array upstreams;
  for (auto const& [name, upstream] : set.config.upstreams)
    upstreams.push_back(print_upstream(upstream, set.keys.contains(name)));
  json::array models;
  for (auto const& [name, alias] : set.config.models)
    models.push_back(json::object{{"name", json::string{name}},
                                  {"upstream", json::string{alias.upstream}},
                                  {"model", json::string{alias.model}},
                                  {"fallback", texts_of(alias.fallbacks)}});
  json::object out{{"upstreams", std::move(upstreams)},
                   {"models", std::move(models)},
                   {"default_model", nullptr}};
  if (!set.config.default_model.empty())
    out["default_model"] = json::string{set.config.default_model};
  return out;
}

}  // namespace

RouteTable<GatewayRoutes> GatewayRoutes::table() {
  using Self = GatewayRoutes;
  static constexpr std::array<RouteEntry<Self>, 2> kTable = {{
      {{"GET", "/api/v1/gateway", "getGateway"}, Access::token, &Self::get_gateway},
      {{"POST", "/api/v1/gateway/reload", "reloadGateway"}, Access::token, &Self::reload},
  }};
  return kTable;
}

Task<Status> GatewayRoutes::get_gateway(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  auto const upstreams = models_.upstreams();
  co_return co_await reply_json(reply, 200, print_set(*upstreams));
}

Task<Status> GatewayRoutes::reload(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  auto const loaded = co_await book_.reload(models_);
  if (!loaded) co_return loaded;
  auto const upstreams = models_.upstreams();
  co_return co_await reply_json(reply, 200, print_set(*upstreams));
}

}  // namespace drover::api
