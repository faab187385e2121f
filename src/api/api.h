#pragma once
// The HTTP API of docs/http-api.md: routes, authentication, error bodies.
//
// On the event loop.
#include <span>
#include <string_view>
#include <vector>

#include "api/auth.h"
#include "api/router.h"
#include "broker/redis_broker.h"
#include "schedule/schedules.h"
#include "worker/dispatcher.h"
#include "worker/run_store.h"
#include "worker/services.h"
#include "worker/workforce.h"

namespace drover::api {

struct RouteName {
  std::string_view method;
  std::string_view pattern;
  std::string_view operation;  // operationId in the OpenAPI document
};

class Api {
 public:
  Api(worker::Services const& services, worker::Dispatcher& dispatcher,
      worker::Workforce& workforce, schedule::Schedules& schedules);

  // The Host names are known once the server listens.
  void set_policy(AuthPolicy policy) { policy_ = std::move(policy); }
  // Without it GET /api/v1/broker tells of the embedded broker.
  void set_redis(broker::RedisBroker const& redis) { redis_ = &redis; }
  // The handler of the HTTP server.
  Task<void> handle(net::HttpRequest request, net::HttpReply& reply);
  // What is served, for the test that holds the OpenAPI document against it.
  [[nodiscard]] static std::vector<RouteName> route_names();

 private:
  struct Entry {
    RouteName name;
    Access access;
    Task<Status> (Api::*handler)(Call, net::HttpReply&);
  };
  [[nodiscard]] static std::span<Entry const> table();
  Task<Status> answer(net::HttpRequest request, net::HttpReply& reply);
  void add_routes();

  Task<Status> create_run(Call call, net::HttpReply& reply);
  Task<Status> list_runs(Call call, net::HttpReply& reply);
  Task<Status> get_run(Call call, net::HttpReply& reply);
  Task<Status> get_diff(Call call, net::HttpReply& reply);
  Task<Status> cancel_run(Call call, net::HttpReply& reply);
  Task<Status> create_runs(Call call, net::HttpReply& reply);
  Task<Status> run_now(Call call, net::HttpReply& reply);
  Task<Status> list_queues(Call call, net::HttpReply& reply);
  Task<Status> pause_queue(Call call, net::HttpReply& reply);
  Task<Status> resume_queue(Call call, net::HttpReply& reply);
  Task<Status> list_dead_letters(Call call, net::HttpReply& reply);
  Task<Status> replay_dead_letter(Call call, net::HttpReply& reply);
  Task<Status> replay_dead_letters(Call call, net::HttpReply& reply);
  Task<Status> discard_dead_letter(Call call, net::HttpReply& reply);
  Task<Status> list_sessions(Call call, net::HttpReply& reply);
  Task<Status> get_session(Call call, net::HttpReply& reply);
  Task<Status> delete_session(Call call, net::HttpReply& reply);
  Task<Status> send_message(Call call, net::HttpReply& reply);
  Task<Status> land_session(Call call, net::HttpReply& reply);
  Task<Status> stream_events(Call call, net::HttpReply& reply);
  Task<Status> list_workspaces(Call call, net::HttpReply& reply);
  Task<Status> create_workspace(Call call, net::HttpReply& reply);
  Task<Status> get_workspace(Call call, net::HttpReply& reply);
  Task<Status> delete_workspace(Call call, net::HttpReply& reply);
  Task<Status> create_schedule(Call call, net::HttpReply& reply);
  Task<Status> list_schedules(Call call, net::HttpReply& reply);
  Task<Status> get_schedule(Call call, net::HttpReply& reply);
  Task<Status> replace_schedule(Call call, net::HttpReply& reply);
  Task<Status> cancel_schedule(Call call, net::HttpReply& reply);
  Task<Status> pause_schedule(Call call, net::HttpReply& reply);
  Task<Status> resume_schedule(Call call, net::HttpReply& reply);
  Task<Status> run_schedule(Call call, net::HttpReply& reply);
  Task<Status> list_firings(Call call, net::HttpReply& reply);
  Task<Status> accept_event(Call call, net::HttpReply& reply);
  Task<Status> create_hook(Call call, net::HttpReply& reply);
  Task<Status> list_hooks(Call call, net::HttpReply& reply);
  Task<Status> get_hook(Call call, net::HttpReply& reply);
  Task<Status> replace_hook(Call call, net::HttpReply& reply);
  Task<Status> delete_hook(Call call, net::HttpReply& reply);
  Task<Status> deliver_hook(Call call, net::HttpReply& reply);
  Task<Status> list_workers(Call call, net::HttpReply& reply);
  Task<Status> join_worker(Call call, net::HttpReply& reply);
  Task<Status> leave_worker(Call call, net::HttpReply& reply);
  Task<Status> claim_runs(Call call, net::HttpReply& reply);
  Task<Status> beat_worker(Call call, net::HttpReply& reply);
  Task<Status> take_step(Call call, net::HttpReply& reply);
  Task<Status> call_model(Call call, net::HttpReply& reply);
  Task<Status> get_broker(Call call, net::HttpReply& reply);
  Task<Status> get_openapi(Call call, net::HttpReply& reply);
  Task<Status> get_health(Call call, net::HttpReply& reply);
  Task<Status> get_ready(Call call, net::HttpReply& reply);
  Task<Status> get_root(Call call, net::HttpReply& reply);

  Task<Result<json::object>> describe(workspace::Workspace workspace);
  [[nodiscard]] json::object session_json(worker::SessionSummary const& summary) const;

  worker::Services const& services_;
  worker::Dispatcher& dispatcher_;
  worker::Workforce& workforce_;
  schedule::Schedules& schedules_;
  broker::RedisBroker const* redis_ = nullptr;  // null: there is none
  AuthPolicy policy_;
  Router router_;
};

}  // namespace drover::api
