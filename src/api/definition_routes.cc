#include "api/definition_routes.h"

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"
#include "contract/invocation.h"

namespace drover::api {

namespace {

template <class Spec>
struct Names;
template <>
struct Names<contract::TaskType> {
  static constexpr std::string_view kList = "task_types";  // the member of a listing
  static constexpr std::string_view kOne = "type";         // of one, and of the path
  static auto parse(std::string_view text) { return contract::parse_task_type(text); }
};
template <>
struct Names<contract::AgentSpec> {
  static constexpr std::string_view kList = "agents";
  static constexpr std::string_view kOne = "agent";
  static auto parse(std::string_view text) { return contract::parse_agent(text); }
};

template <class Spec>
json::object to_json(worker::Registered<Spec> const& one) {
  json::object body{{"name", json::string{one.spec.name}},
                    {"origin", worker::to_string(one.origin)},
                    {"file", nullptr},
                    {"revision", one.revision},
                    {Names<Spec>::kOne, contract::to_json(one.spec)}};
  if (!one.file.empty()) body["file"] = json::string{to_utf8(one.file)};
  return body;
}

Result<worker::DefinitionTerms> terms_of(Call const& call) {
  DROVER_TRY(only_query(call.request, {"revision", "actor"}));
  auto const revision = revision_of(call.request);
  if (!revision) return std::unexpected(revision.error());
  auto actor = actor_of(call);
  if (!actor) return std::unexpected(actor.error());
  worker::DefinitionTerms terms;
  terms.expected_revision = *revision;
  terms.actor = *std::move(actor);
  return terms;
}

}  // namespace

template <>
RouteTable<TaskTypeRoutes> TaskTypeRoutes::table() {
  using Self = TaskTypeRoutes;
  static constexpr std::array<RouteEntry<Self>, 4> kTable = {{
      {{"GET", "/api/v1/task-types", "listTaskTypes"}, Access::token, &Self::list},
      {{"GET", "/api/v1/task-types/{type}", "getTaskType"}, Access::token, &Self::get},
      {{"PUT", "/api/v1/task-types/{type}", "putTaskType"}, Access::token, &Self::put},
      {{"DELETE", "/api/v1/task-types/{type}", "deleteTaskType"}, Access::token, &Self::remove},
  }};
  return kTable;
}

template <>
RouteTable<AgentRoutes> AgentRoutes::table() {
  using Self = AgentRoutes;
  static constexpr std::array<RouteEntry<Self>, 4> kTable = {{
      {{"GET", "/api/v1/agents", "listAgents"}, Access::token, &Self::list},
      {{"GET", "/api/v1/agents/{agent}", "getAgent"}, Access::token, &Self::get},
      {{"PUT", "/api/v1/agents/{agent}", "putAgent"}, Access::token, &Self::put},
      {{"DELETE", "/api/v1/agents/{agent}", "deleteAgent"}, Access::token, &Self::remove},
  }};
  return kTable;
}

template <class Spec>
Task<Status> DefinitionRoutes<Spec>::list(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  json::array items;
  for (worker::Registered<Spec> const& one : definitions_.list())
    items.push_back(to_json(one));
  json::object body{{Names<Spec>::kList, std::move(items)}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

template <class Spec>
Task<Status> DefinitionRoutes<Spec>::get(Call call, net::HttpReply& reply) {
  auto const one = definitions_.find(call.path.at(std::string{Names<Spec>::kOne}));
  if (!one) co_return std::unexpected(one.error());
  co_return co_await reply_json(reply, 200, to_json(*one));
}

template <class Spec>
Task<Status> DefinitionRoutes<Spec>::put(Call call, net::HttpReply& reply) {
  auto terms = terms_of(call);
  if (!terms) co_return std::unexpected(terms.error());
  auto spec = Names<Spec>::parse(call.request.body);
  if (!spec) co_return std::unexpected(spec.error());
  std::string const& name = call.path.at(std::string{Names<Spec>::kOne});
  if (spec->name != name)
    co_return fail(ErrorCode::invalid_argument, "/name: expected the name of the path, {}",
                   printable(name, 80));
  auto const room = reserve_.room();
  if (!room) co_return room;
  auto const put = co_await definitions_.put(*std::move(spec), *std::move(terms));
  if (!put) co_return std::unexpected(put.error());
  bool const created = put->what == worker::DefinitionWrite::created;
  co_return co_await reply_json(reply, created ? 201 : 200, to_json(put->definition));
}

template <class Spec>
Task<Status> DefinitionRoutes<Spec>::remove(Call call, net::HttpReply& reply) {
  auto terms = terms_of(call);
  if (!terms) co_return std::unexpected(terms.error());
  std::string name = call.path.at(std::string{Names<Spec>::kOne});
  auto const removed = co_await definitions_.remove(std::move(name), *std::move(terms));
  if (!removed) co_return removed;
  net::Headers none;
  co_return co_await reply.send(204, std::move(none), "");
}

template class DefinitionRoutes<contract::TaskType>;
template class DefinitionRoutes<contract::AgentSpec>;

}  // namespace drover::api
