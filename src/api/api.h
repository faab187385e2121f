#pragma once
// The HTTP API of docs/http-api.md: every domain's routes behind authentication, and the shape of
// errors.
//
// On the event loop.
#include <tuple>
#include <vector>

#include "api/approval_routes.h"
#include "api/audit_routes.h"
#include "api/auth.h"
#include "api/dashboard_routes.h"
#include "api/definition_routes.h"
#include "api/event_routes.h"
#include "api/exec_routes.h"
#include "api/fleet_routes.h"
#include "api/gateway_routes.h"
#include "api/queue_routes.h"
#include "api/route_table.h"
#include "api/router.h"
#include "api/rule_routes.h"
#include "api/run_routes.h"
#include "api/schedule_routes.h"
#include "api/server_routes.h"
#include "api/session_routes.h"
#include "api/unit_routes.h"
#include "api/worker_routes.h"
#include "api/workflow_routes.h"
#include "api/workload_routes.h"
#include "api/workspace_routes.h"

namespace drover::api {

// All outlive the Api.
struct ApiParts {
  worker::Services const& services;
  worker::Dispatcher& dispatcher;
  worker::Workforce& workforce;
  worker::TaskRegistry& task_types;
  worker::AgentRegistry& agents;
  worker::LimitBook& limits;
  worker::Proposals& proposals;
  worker::ToolApprovals& tool_approvals;
  gateway::McpBroker& mcp;
  schedule::Schedules& schedules;
  driver::Driver& workflows;
  driver::BreakpointCarrier& breakpoints;
  runtime::WorkloadKernel& workloads;
  gateway::UpstreamBook& upstreams;
  gateway::TokenKey& tokens;
  fleet::Reconciler& fleet;
  fleet::ResidentBackend& residents;
};

class Api {
 public:
  explicit Api(ApiParts const& parts);
  // The router holds references to the domains.
  Api(Api const&) = delete;
  Api& operator=(Api const&) = delete;

  // The Host names are known once the server listens.
  void set_policy(AuthPolicy policy) {
    policy_ = std::move(policy);
    std::get<DashboardRoutes>(domains_).set_policy(policy_);
  }
  // Without it GET /api/v1/broker tells of the embedded broker.
  void set_redis(broker::RedisBroker const& redis) {
    std::get<ServerRoutes>(domains_).set_redis(redis);
    std::get<UnitRoutes>(domains_).set_units(redis.units());
  }
  // The handler of the HTTP server.
  Task<void> handle(net::HttpRequest request, net::HttpReply& reply);
  // What is served, for the test that holds the OpenAPI document against it.
  [[nodiscard]] static std::vector<RouteName> route_names();

 private:
  using Domains = std::tuple<RunRoutes, SessionRoutes, WorkspaceRoutes, TaskTypeRoutes, AgentRoutes,
                             AuditRoutes, ApprovalRoutes, RuleRoutes, QueueRoutes, ScheduleRoutes,
                             EventRoutes, WorkflowRoutes, WorkerRoutes, UnitRoutes, WorkloadRoutes,
                             GatewayRoutes, FleetRoutes, ExecRoutes, ServerRoutes, DashboardRoutes>;
  Task<Status> answer(net::HttpRequest request, net::HttpReply& reply);

  Domains domains_;
  Clock const& clock_;
  AuthPolicy policy_;
  Router router_;
};

}  // namespace drover::api
