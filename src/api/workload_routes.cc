#include "api/workload_routes.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"
#include "net/http_types.h"

namespace drover::api {

namespace {

// The one token of this server is one owner's.
constexpr std::string_view kTokenOwner = "local";

json::object body_of(contract::WorkloadStatus const& status) {
  return contract::to_json(status).as_object();
}

std::string id_in(Call const& call) {
  return call.path.find("workload")->second;
}

// {"reason": "stopped"}, or nothing.
Result<runtime::StopReason> reason_in(std::string const& body) {
  if (body.empty()) return runtime::StopReason::stopped;
  auto const value = parse_json(body);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  for (auto const& member : object->raw())
    if (member.key() != "reason")
      return fail(ErrorCode::invalid_argument, "/{}: there is no such member",
                  printable(member.key(), 40));
  auto const reason = object->optional_string("reason");
  if (!reason) return std::unexpected(reason.error());
  if (!*reason) return runtime::StopReason::stopped;
  auto const parsed = contract::parse_stop_reason(**reason);
  if (!parsed) return fail(ErrorCode::invalid_argument, "/reason: {}", parsed.error().message);
  return *parsed;
}

}  // namespace

RouteTable<WorkloadRoutes> WorkloadRoutes::table() {
  using Self = WorkloadRoutes;
  static constexpr std::array<RouteEntry<Self>, 8> kTable = {{
      {{"POST", "/api/v1/workloads", "createWorkload"}, Access::token, &Self::create_workload},
      {{"GET", "/api/v1/workloads", "listWorkloads"}, Access::token, &Self::list_workloads},
      {{"GET", "/api/v1/workloads/{workload}", "getWorkload"}, Access::token, &Self::get_workload},
      {{"POST", "/api/v1/workloads/{workload}/stop", "stopWorkload"},
       Access::token,
       &Self::stop_workload},
      {{"DELETE", "/api/v1/workloads/{workload}", "deleteWorkload"},
       Access::token,
       &Self::delete_workload},
      {{"POST", "/api/v1/workloads/{workload}/touch", "touchWorkload"},
       Access::token,
       &Self::touch_workload},
      {{"GET", "/api/v1/workloads/{workload}/logs", "getWorkloadLogs"},
       Access::token,
       &Self::get_logs},
      {{"GET", "/api/v1/health", "getRuntimeHealth"}, Access::token, &Self::get_health},
  }};
  return kTable;
}

std::string WorkloadRoutes::full_path(std::string path) {
  if (path == "/workloads" || path.starts_with("/workloads/") || path == "/health")
    return "/api/v1" + path;
  return path;
}

Task<Status> WorkloadRoutes::create_workload(Call call, net::HttpReply& reply) {
  auto spec = contract::parse_workload_spec(call.request.body);
  if (!spec) co_return std::unexpected(spec.error());
  auto const room = services_.reserve.room();
  if (!room) co_return room;
  std::string const location =
      fmt::format("/api/v1/workloads/{}", net::percent_encode(spec->workload_id));
  std::string owner{kTokenOwner};
  auto const status = co_await kernel_.create(std::move(owner), *std::move(spec));
  if (!status) co_return std::unexpected(status.error());
  net::Headers headers{{"location", location}};
  co_return co_await reply_json(reply, 201, body_of(*status), std::move(headers));
}

Task<Status> WorkloadRoutes::list_workloads(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  json::array items;
  for (auto const& row : kernel_.list())
    items.push_back(body_of(row.status));
  json::object body{{"workloads", std::move(items)}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> WorkloadRoutes::get_workload(Call call, net::HttpReply& reply) {
  auto const row = kernel_.find(id_in(call));
  if (!row) co_return std::unexpected(row.error());
  co_return co_await reply_json(reply, 200, body_of(row->status));
}

Task<Status> WorkloadRoutes::stop_workload(Call call, net::HttpReply& reply) {
  auto const reason = reason_in(call.request.body);
  if (!reason) co_return std::unexpected(reason.error());
  auto const status = co_await kernel_.stop_one(id_in(call), *reason);
  if (!status) co_return std::unexpected(status.error());
  co_return co_await reply_json(reply, 200, body_of(*status));
}

Task<Status> WorkloadRoutes::delete_workload(Call call, net::HttpReply& reply) {
  auto const destroyed = co_await kernel_.destroy(id_in(call));
  if (!destroyed) co_return destroyed;
  net::Headers none;
  co_return co_await reply.send(204, std::move(none), "");
}

Task<Status> WorkloadRoutes::touch_workload(Call call, net::HttpReply& reply) {
  auto const status = kernel_.touch(id_in(call));
  if (!status) co_return std::unexpected(status.error());
  co_return co_await reply_json(reply, 200, body_of(*status));
}

// What a program wrote may be any bytes.
Task<Status> WorkloadRoutes::get_logs(Call call, net::HttpReply& reply) {
  auto const row = kernel_.find(id_in(call));
  if (!row) co_return std::unexpected(row.error());
  auto const output = co_await kernel_.output(id_in(call));
  // A server before this one had it.
  bool const lost = !output && output.error().code == ErrorCode::not_found;
  if (!output && !lost) co_return std::unexpected(output.error());
  json::object body{{"workloadId", row->spec.workload_id},
                    {"output", lost ? std::string{} : to_utf8(*output)},
                    {"detail", row->detail}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> WorkloadRoutes::get_health(Call, net::HttpReply& reply) {
  auto const backend = co_await services_.runtime.check();
  bool const refusing = services_.writer.stats().refusing;
  bool const full = !services_.reserve.held();
  bool const well = backend && !refusing && !full;
  json::object checks{{"backend", backend ? "ok" : backend.error().text()},
                      {"store", refusing ? "store_failed"
                                : full   ? "no_space"
                                         : "ok"},
                      {"scheduler", "ok"}};
  json::array backends;
  for (auto const name : services_.runtime.backends())
    backends.emplace_back(name);
  json::object capabilities{{"backend", services_.runtime.backend()},
                            {"backends", std::move(backends)},
                            {"callbacks", true},
                            {"gpu", false},
                            {"ports", false}};
  json::object body{{"status", well ? "ok" : "degraded"},
                    {"checks", std::move(checks)},
                    {"capabilities", std::move(capabilities)}};
  co_return co_await reply_json(reply, well ? 200 : 503, std::move(body));
}

}  // namespace drover::api
