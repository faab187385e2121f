#include "api/workspace_routes.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"
#include "base/text.h"
#include "git/repository.h"
#include "worker/run_store.h"
#include "workspace/private_paths.h"

namespace drover::api {

namespace {

struct NewWorkspace {
  std::string path;
  std::optional<WorkspaceId> id;
  workspace::Init init = workspace::Init::empty_only;
};

Result<NewWorkspace> read_new_workspace(std::string const& body) {
  auto const value = parse_json(body);
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  for (auto const& member : object->raw()) {
    std::string_view const key = member.key();
    if (key != "path" && key != "id" && key != "init")
      return fail(ErrorCode::invalid_argument, "/{}: there is no such member", printable(key, 40));
  }
  NewWorkspace wanted;
  auto path = object->string("path");
  if (!path) return std::unexpected(path.error());
  wanted.path = *std::move(path);
  auto const id = object->optional_string("id");
  if (!id) return std::unexpected(id.error());
  if (*id) {
    auto parsed = WorkspaceId::parse(**id);
    if (!parsed) {
      Error error = parsed.error();
      error.message = "/id: " + error.message;
      return std::unexpected(std::move(error));
    }
    wanted.id = *std::move(parsed);
  }
  auto const init = object->optional_boolean("init");
  if (!init) return std::unexpected(init.error());
  if (init->value_or(false)) wanted.init = workspace::Init::adopt_files;
  return wanted;
}

}  // namespace

RouteTable<WorkspaceRoutes> WorkspaceRoutes::table() {
  using Self = WorkspaceRoutes;
  static constexpr std::array<RouteEntry<Self>, 4> kTable = {{
      {{"GET", "/api/v1/workspaces", "listWorkspaces"}, Access::token, &Self::list_workspaces},
      {{"POST", "/api/v1/workspaces", "createWorkspace"}, Access::token, &Self::create_workspace},
      {{"GET", "/api/v1/workspaces/{workspace}", "getWorkspace"},
       Access::token,
       &Self::get_workspace},
      {{"DELETE", "/api/v1/workspaces/{workspace}", "deleteWorkspace"},
       Access::token,
       &Self::delete_workspace},
  }};
  return kTable;
}

Task<Result<json::object>> WorkspaceRoutes::describe(workspace::Workspace workspace) {
  auto const state = co_await services_.pool.run(
      [path = workspace.path] { return git::inspect(path, workspace::private_paths()); });
  json::object object{{"id", json::string{workspace.id.str()}},
                      {"path", json::string{workspace.path}},
                      {"branch", nullptr},
                      {"head", nullptr},
                      {"dirty", nullptr},
                      {"writer", nullptr},
                      {"created_at", to_rfc3339(workspace.created_at)}};
  // A folder that is gone is still listed: whoever wants it forgotten has to see it.
  if (state && state->kind == git::FolderKind::repository) {
    if (!state->head.branch.empty()) object["branch"] = json::string{state->head.branch};
    if (!state->head.unborn) object["head"] = json::string{state->head.oid.hex()};
    object["dirty"] = state->dirty;
  }
  auto const unfinished = co_await services_.readers.run(
      [](store::Database& database) { return worker::unfinished_runs(database); });
  if (!unfinished) co_return std::unexpected(unfinished.error());
  for (worker::RunRecord const& run : *unfinished) {
    if (!workforce_.works_on(run.session)) continue;
    for (contract::WorkspaceGrant const& grant : run.workspaces)
      if (grant.id == workspace.id && grant.mode == contract::WorkspaceMode::rw &&
          grant.checkout != contract::Checkout::worktree)
        object["writer"] = json::string{run.session.str()};
  }
  co_return object;
}

Task<Status> WorkspaceRoutes::list_workspaces(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  json::array items;
  for (workspace::Workspace const& workspace : services_.workspaces.list()) {
    auto item = co_await describe(workspace);
    if (!item) co_return std::unexpected(item.error());
    items.push_back(*std::move(item));
  }
  json::object body{{"workspaces", std::move(items)}};
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> WorkspaceRoutes::create_workspace(Call call, net::HttpReply& reply) {
  auto wanted = read_new_workspace(call.request.body);
  if (!wanted) co_return std::unexpected(wanted.error());
  auto const room = services_.reserve.room();
  if (!room) co_return room;
  auto const added = co_await services_.workspaces.add(std::move(wanted->path),
                                                       std::move(wanted->id), wanted->init);
  if (!added) co_return std::unexpected(added.error());
  auto body = co_await describe(added->workspace);
  if (!body) co_return std::unexpected(body.error());
  net::Headers headers{{"location", fmt::format("/api/v1/workspaces/{}", added->workspace.id)}};
  int const status = added->created ? 201 : 200;
  co_return co_await reply_json(reply, status, *std::move(body), std::move(headers));
}

Task<Status> WorkspaceRoutes::get_workspace(Call call, net::HttpReply& reply) {
  auto const id = id_of<WorkspaceId>(call, "workspace");
  if (!id) co_return std::unexpected(id.error());
  auto const workspace = services_.workspaces.find(*id);
  if (!workspace) co_return std::unexpected(workspace.error());
  auto body = co_await describe(*workspace);
  if (!body) co_return std::unexpected(body.error());
  co_return co_await reply_json(reply, 200, *std::move(body));
}

Task<Status> WorkspaceRoutes::delete_workspace(Call call, net::HttpReply& reply) {
  auto const id = id_of<WorkspaceId>(call, "workspace");
  if (!id) co_return std::unexpected(id.error());
  auto const unfinished = co_await services_.readers.run(
      [](store::Database& database) { return worker::unfinished_runs(database); });
  if (!unfinished) co_return std::unexpected(unfinished.error());
  for (worker::RunRecord const& run : *unfinished)
    for (contract::WorkspaceGrant const& grant : run.workspaces)
      if (grant.id == *id)
        co_return fail_next(ErrorCode::conflict,
                            fmt::format("the run {} still needs the workspace {}", run.id, *id),
                            "wait until it has ended, or cancel it");
  auto const forgotten = co_await services_.workspaces.forget(*id);
  if (!forgotten) co_return forgotten;
  net::Headers none;
  co_return co_await reply.send(204, std::move(none), "");
}

}  // namespace drover::api
