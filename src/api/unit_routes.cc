#include "api/unit_routes.h"

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "worker/run_store.h"
#include "worker/third_party_access.h"
#include "worker/unit_token.h"

namespace drover::api {

RouteTable<UnitRoutes> UnitRoutes::table() {
  using Self = UnitRoutes;
  static constexpr std::array<RouteEntry<Self>, 5> kTable = {{
      {{"GET", "/api/v1/sessions/{session}/environment", "getSessionEnvironment"},
       Access::token,
       &Self::get_environment},
      {{"POST", "/api/v1/units/{unit}/v1/messages", "callModelOfUnit"},
       Access::unit_token,
       &Self::call_model},
      {{"POST", "/api/v1/units/{unit}/v1/messages/count_tokens", "countTokensOfUnit"},
       Access::unit_token,
       &Self::call_model},
      {{"POST", "/api/v1/units/{unit}/v1/responses", "callResponsesModelOfUnit"},
       Access::unit_token,
       &Self::call_model},
      {{"POST", "/api/v1/units/{unit}/v1/chat/completions", "callChatModelOfUnit"},
       Access::unit_token,
       &Self::call_model},
  }};
  return kTable;
}

Task<Status> UnitRoutes::get_environment(Call call, net::HttpReply& reply) {
  auto const id = id_of<SessionId>(call, "session");
  if (!id) co_return std::unexpected(id.error());
  auto const session = co_await services_.readers.run(
      [wanted = *id](store::Database& database) { return worker::find_session(database, wanted); });
  if (!session) co_return std::unexpected(session.error());
  // The name by which whoever asks reaches this server; the rules for browsers have checked it.
  auto const* const host = call.request.header("host");
  auto const access = worker::third_party_access(
      services_, units_, *session, "http://" + (host == nullptr ? std::string{} : *host));
  if (!access) co_return std::unexpected(access.error());
  json::object variables;
  for (auto const& [name, value] : access->environment)
    variables[name] = json::string{value};
  json::object body{{"session", json::string{id->str()}},
                    {"unit", json::string{access->unit}},
                    {"environment", std::move(variables)}};
  net::Headers headers{{"cache-control", "no-store"}};
  co_return co_await reply_json(reply, 200, std::move(body), std::move(headers));
}

Task<Status> UnitRoutes::call_model(Call call, net::HttpReply& reply) {
  std::string unit = call.path.at("unit");
  worker::UnitAdmission const admission{unit, {}, gateway::TokenLife::checked};
  auto const known =
      worker::check_unit_token(call.request, services_.tokens, services_.clock.now(), admission);
  if (!known) co_return known;
  // The path as the unit API has it.
  call.request.path.erase(0, std::string_view{"/api/v1/units/"}.size() + unit.size());
  co_return co_await workforce_.serve_model(std::move(unit), std::move(call.request), reply);
}

}  // namespace drover::api
