#include "api/api.h"

#include <type_traits>
#include <utility>

#include "api/replies.h"
#include "base/log.h"

namespace drover::api {

namespace {

template <class... Domains>
std::vector<RouteName> names_of(std::type_identity<std::tuple<Domains...>>) {
  std::vector<RouteName> names;
  auto const add = [&names](auto table) {
    for (auto const& entry : table)
      names.push_back(entry.name);
  };
  (add(Domains::table()), ...);
  return names;
}

}  // namespace

Api::Api(ApiParts const& parts)
    : domains_(
          RunRoutes{parts.services, parts.dispatcher, parts.workforce},
          SessionRoutes{parts.services, parts.dispatcher, parts.workforce},
          WorkspaceRoutes{parts.services, parts.workforce},
          TaskTypeRoutes{parts.task_types, parts.services.reserve},
          AgentRoutes{parts.agents, parts.services.reserve}, AuditRoutes{parts.services.readers},
          ApprovalRoutes{parts.services, parts.proposals, parts.tool_approvals, parts.breakpoints},
          RuleRoutes{parts.services}, QueueRoutes{parts.services, parts.dispatcher, parts.limits},
          ScheduleRoutes{parts.schedules}, EventRoutes{parts.schedules},
          WorkflowRoutes{parts.services.readers, parts.workflows},
          WorkerRoutes{parts.services, parts.workforce.joined()},
          UnitRoutes{parts.services, parts.workforce},
          WorkloadRoutes{parts.services, parts.workloads},
          GatewayRoutes{parts.services, parts.upstreams, parts.tokens, parts.mcp},
          FleetRoutes{parts.fleet, parts.services.readers}, ExecRoutes{parts.residents},
          ServerRoutes{parts.services}, DashboardRoutes{parts.services}),
      clock_(parts.services.clock) {
  std::apply([this](auto&... domain) { (add_routes(router_, domain), ...); }, domains_);
}

std::vector<RouteName> Api::route_names() {
  return names_of(std::type_identity<Domains>{});
}

Task<void> Api::handle(net::HttpRequest request, net::HttpReply& reply) {
  auto const answered = co_await answer(std::move(request), reply);
  if (answered) co_return;
  if (http_status(answered.error().code) >= 500)
    log::error("request-failed", {{"reason", answered.error().text()}});
  co_await reply_error(reply, answered.error());
}

Task<Status> Api::answer(net::HttpRequest request, net::HttpReply& reply) {
  request.path = WorkloadRoutes::full_path(std::move(request.path));
  auto match = router_.match(request.method, request.path);
  bool const is_signed = match && (match->route->access == Access::signature ||
                                   match->route->access == Access::unit_token);
  if (!is_signed) {
    auto const allowed = check_browser_rules(policy_, request);
    if (!allowed) co_return allowed;
  }
  bool const open = match && match->route->access == Access::open;
  std::string session_actor;
  if (!open && !is_signed) {
    // Before anything is said about what exists.
    auto caller = check_caller(policy_, request, clock_.now());
    if (!caller) co_return std::unexpected(caller.error());
    session_actor = std::move(caller->session_actor);
  }
  if (!match) co_return std::unexpected(match.error());
  Call call{std::move(request), std::move(match->path), std::move(session_actor)};
  co_return co_await match->route->handler(std::move(call), reply);
}

}  // namespace drover::api
