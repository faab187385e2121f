#include "api/task_type_routes.h"

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"

namespace drover::api {

namespace {

json::object to_json(worker::RegisteredTask const& task) {
  json::object body{{"name", json::string{task.type.name}},
                    {"origin", worker::to_string(task.origin)},
                    {"file", nullptr},
                    {"revision", task.revision},
                    {"type", contract::to_json(task.type)}};
  if (!task.file.empty()) body["file"] = json::string{to_utf8(task.file)};
  return body;
}

}  // namespace

RouteTable<TaskTypeRoutes> TaskTypeRoutes::table() {
  using Self = TaskTypeRoutes;
  static constexpr std::array<RouteEntry<Self>, 4> kTable = {{
      {{"GET", "/api/v1/task-types", "listTaskTypes"}, Access::token, &Self::list_task_types},
      {{"GET", "/api/v1/task-types/{type}", "getTaskType"}, Access::token, &Self::get_task_type},
      {{"PUT", "/api/v1/task-types/{type}", "putTaskType"}, Access::token, &Self::put_task_type},
      {{"DELETE", "/api/v1/task-types/{type}", "deleteTaskType"},
       Access::token,
       &Self::delete_task_type},
  }};
  return kTable;
}

Task<Status> TaskTypeRoutes::list_task_types(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  json::array items;
  for (worker::RegisteredTask const& task : task_types_.list())
    items.push_back(to_json(task));
  json::object body{{"task_types", std::move(items)}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> TaskTypeRoutes::get_task_type(Call call, net::HttpReply& reply) {
  auto const task = task_types_.find(call.path.at("type"));
  if (!task) co_return std::unexpected(task.error());
  co_return co_await reply_json(reply, 200, to_json(*task));
}

Task<Status> TaskTypeRoutes::put_task_type(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"revision"});
  if (!known) co_return known;
  auto const revision = revision_of(call.request);
  if (!revision) co_return std::unexpected(revision.error());
  auto type = contract::parse_task_type(call.request.body);
  if (!type) co_return std::unexpected(type.error());
  if (type->name != call.path.at("type"))
    co_return fail(ErrorCode::invalid_argument, "/name: expected the name of the path, {}",
                   printable(call.path.at("type"), 80));
  auto const room = reserve_.room();
  if (!room) co_return room;
  auto const put = co_await task_types_.put(*std::move(type), *revision);
  if (!put) co_return std::unexpected(put.error());
  co_return co_await reply_json(reply, put->revision == 1 ? 201 : 200, to_json(*put));
}

Task<Status> TaskTypeRoutes::delete_task_type(Call call, net::HttpReply& reply) {
  auto const removed = co_await task_types_.remove(call.path.at("type"));
  if (!removed) co_return removed;
  net::Headers none;
  co_return co_await reply.send(204, std::move(none), "");
}

}  // namespace drover::api
