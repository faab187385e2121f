#include "api/api.h"

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/openapi.h"
#include "api/replies.h"
#include "base/log.h"

namespace drover::api {

Api::Api(worker::Services const& services, worker::Dispatcher& dispatcher,
         worker::Workforce& workforce, schedule::Schedules& schedules)
    : services_(services), dispatcher_(dispatcher), workforce_(workforce), schedules_(schedules) {
  add_routes();
}

// Private members are named here, where the class may name them.
std::span<Api::Entry const> Api::table() {
  static constexpr std::array<Entry, 52> kTable = {{
      {{"POST", "/api/v1/runs", "dispatchRun"}, Access::token, &Api::create_run},
      {{"GET", "/api/v1/runs", "listRuns"}, Access::token, &Api::list_runs},
      {{"GET", "/api/v1/runs/{run}", "getRun"}, Access::token, &Api::get_run},
      {{"GET", "/api/v1/runs/{run}/diff", "getRunDiff"}, Access::token, &Api::get_diff},
      {{"POST", "/api/v1/runs/{run}/cancel", "cancelRun"}, Access::token, &Api::cancel_run},
      {{"POST", "/api/v1/runs/bulk", "dispatchRuns"}, Access::token, &Api::create_runs},
      {{"POST", "/api/v1/runs/{run}/run-now", "runNow"}, Access::token, &Api::run_now},
      {{"GET", "/api/v1/queues", "listQueues"}, Access::token, &Api::list_queues},
      {{"POST", "/api/v1/queues/{queue}/pause", "pauseQueue"}, Access::token, &Api::pause_queue},
      {{"POST", "/api/v1/queues/{queue}/resume", "resumeQueue"}, Access::token, &Api::resume_queue},
      {{"GET", "/api/v1/dead-letters", "listDeadLetters"}, Access::token, &Api::list_dead_letters},
      {{"POST", "/api/v1/dead-letters/replay", "replayDeadLetters"},
       Access::token,
       &Api::replay_dead_letters},
      {{"POST", "/api/v1/dead-letters/{run}/replay", "replayDeadLetter"},
       Access::token,
       &Api::replay_dead_letter},
      {{"DELETE", "/api/v1/dead-letters/{run}", "discardDeadLetter"},
       Access::token,
       &Api::discard_dead_letter},
      {{"GET", "/api/v1/broker", "getBroker"}, Access::token, &Api::get_broker},
      {{"GET", "/api/v1/sessions", "listSessions"}, Access::token, &Api::list_sessions},
      {{"GET", "/api/v1/sessions/{session}", "getSession"}, Access::token, &Api::get_session},
      {{"DELETE", "/api/v1/sessions/{session}", "deleteSession"},
       Access::token,
       &Api::delete_session},
      {{"POST", "/api/v1/sessions/{session}/messages", "sendMessage"},
       Access::token,
       &Api::send_message},
      {{"POST", "/api/v1/sessions/{session}/land", "landSession"},
       Access::token,
       &Api::land_session},
      {{"GET", "/api/v1/sessions/{session}/runs/{run}/events", "streamEvents"},
       Access::token,
       &Api::stream_events},
      {{"GET", "/api/v1/workspaces", "listWorkspaces"}, Access::token, &Api::list_workspaces},
      {{"POST", "/api/v1/workspaces", "createWorkspace"}, Access::token, &Api::create_workspace},
      {{"GET", "/api/v1/workspaces/{workspace}", "getWorkspace"},
       Access::token,
       &Api::get_workspace},
      {{"DELETE", "/api/v1/workspaces/{workspace}", "deleteWorkspace"},
       Access::token,
       &Api::delete_workspace},
      {{"POST", "/api/v1/schedules", "createSchedule"}, Access::token, &Api::create_schedule},
      {{"GET", "/api/v1/schedules", "listSchedules"}, Access::token, &Api::list_schedules},
      {{"GET", "/api/v1/schedules/{schedule}", "getSchedule"}, Access::token, &Api::get_schedule},
      {{"PUT", "/api/v1/schedules/{schedule}", "replaceSchedule"},
       Access::token,
       &Api::replace_schedule},
      {{"DELETE", "/api/v1/schedules/{schedule}", "cancelSchedule"},
       Access::token,
       &Api::cancel_schedule},
      {{"POST", "/api/v1/schedules/{schedule}/pause", "pauseSchedule"},
       Access::token,
       &Api::pause_schedule},
      {{"POST", "/api/v1/schedules/{schedule}/resume", "resumeSchedule"},
       Access::token,
       &Api::resume_schedule},
      {{"POST", "/api/v1/schedules/{schedule}/run", "runSchedule"},
       Access::token,
       &Api::run_schedule},
      {{"GET", "/api/v1/schedules/{schedule}/history", "listFirings"},
       Access::token,
       &Api::list_firings},
      {{"POST", "/api/v1/events", "acceptEvent"}, Access::token, &Api::accept_event},
      {{"POST", "/api/v1/hooks", "createHook"}, Access::token, &Api::create_hook},
      {{"GET", "/api/v1/hooks", "listHooks"}, Access::token, &Api::list_hooks},
      {{"GET", "/api/v1/hooks/{hook}", "getHook"}, Access::token, &Api::get_hook},
      {{"PUT", "/api/v1/hooks/{hook}", "replaceHook"}, Access::token, &Api::replace_hook},
      {{"DELETE", "/api/v1/hooks/{hook}", "deleteHook"}, Access::token, &Api::delete_hook},
      {{"POST", "/hooks/{hook}", "deliverHook"}, Access::signature, &Api::deliver_hook},
      {{"GET", "/api/v1/workers", "listWorkers"}, Access::token, &Api::list_workers},
      {{"PUT", "/api/v1/workers/{worker}", "joinWorker"}, Access::token, &Api::join_worker},
      {{"DELETE", "/api/v1/workers/{worker}", "leaveWorker"}, Access::token, &Api::leave_worker},
      {{"POST", "/api/v1/workers/{worker}/claim", "claimRuns"}, Access::token, &Api::claim_runs},
      {{"POST", "/api/v1/workers/{worker}/heartbeat", "beatWorker"},
       Access::token,
       &Api::beat_worker},
      {{"POST", "/api/v1/workers/{worker}/runs/{run}/steps", "takeStep"},
       Access::token,
       &Api::take_step},
      {{"POST", "/api/v1/workers/{worker}/runs/{run}/messages", "callModel"},
       Access::token,
       &Api::call_model},
      {{"GET", "/api/v1/openapi.json", "getOpenApi"}, Access::token, &Api::get_openapi},
      {{"GET", "/healthz", "getHealth"}, Access::open, &Api::get_health},
      {{"GET", "/readyz", "getReadiness"}, Access::open, &Api::get_ready},
      {{"GET", "/", "getRoot"}, Access::open, &Api::get_root},
  }};
  return kTable;
}

std::vector<RouteName> Api::route_names() {
  std::vector<RouteName> names;
  for (Entry const& entry : table())
    names.push_back(entry.name);
  return names;
}

void Api::add_routes() {
  for (Entry const& entry : table())
    router_.add({std::string{entry.name.method}, std::string{entry.name.pattern}, entry.access,
                 [this, handler = entry.handler](Call call, net::HttpReply& reply) {
                   return (this->*handler)(std::move(call), reply);
                 }});
}

Task<void> Api::handle(net::HttpRequest request, net::HttpReply& reply) {
  auto const answered = co_await answer(std::move(request), reply);
  if (answered) co_return;
  if (http_status(answered.error().code) >= 500)
    log::error("request-failed", {{"reason", answered.error().text()}});
  co_await reply_error(reply, answered.error());
}

Task<Status> Api::answer(net::HttpRequest request, net::HttpReply& reply) {
  auto match = router_.match(request.method, request.path);
  bool const is_signed = match && match->route->access == Access::signature;
  if (!is_signed) {
    auto const allowed = check_browser_rules(policy_, request);
    if (!allowed) co_return allowed;
  }
  bool const open = match && match->route->access == Access::open;
  if (!open && !is_signed) {
    // Before anything is said about what exists.
    auto const known = check_token(policy_, request);
    if (!known) co_return known;
  }
  if (!match) co_return std::unexpected(match.error());
  Call call{std::move(request), std::move(match->path)};
  co_return co_await match->route->handler(std::move(call), reply);
}

Task<Status> Api::get_openapi(Call, net::HttpReply& reply) {
  net::Headers headers{{"content-type", "application/json"}};
  std::string document{openapi_document()};
  co_return co_await reply.send(200, std::move(headers), std::move(document));
}

Task<Status> Api::get_health(Call, net::HttpReply& reply) {
  json::object body{{"status", "ok"}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> Api::get_ready(Call, net::HttpReply& reply) {
  bool const refusing = services_.writer.stats().refusing;
  bool const full = !services_.reserve.held();
  json::object body{{"status", refusing ? "store_failed" : full ? "no_space" : "ok"}};
  co_return co_await reply_json(reply, refusing || full ? 503 : 200, std::move(body));
}

// What carries offers and events, and whether it does. `degraded` loses nothing: work and streams
// of this server go on, other workers and readers of Redis wait.
Task<Status> Api::get_broker(Call, net::HttpReply& reply) {
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

Task<Status> Api::get_root(Call, net::HttpReply& reply) {
  net::Headers headers{{"content-type", "text/plain; charset=utf-8"}};
  co_return co_await reply.send(200, std::move(headers),
                                "drover is running. The API is at /api/v1, its description at "
                                "/api/v1/openapi.json; drover --help lists the commands.\n");
}

}  // namespace drover::api
