#include "cli/workspace_grants.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/text.h"
#include "os/files.h"

namespace drover::cli {

namespace {

// A folder becomes a workspace; what is no folder may be the id of one that is registered.
Result<WorkspaceId> open_workspace(ApiClient& client, std::string const& name, Init init) {
  auto const path = os::real_path(name);
  if (!path && is_slug(name)) {
    auto const known = client.get("/workspaces/" + name);
    if (known) return WorkspaceId::trusted(name);
    if (known.error().code != ErrorCode::not_found) return std::unexpected(known.error());
    return fail_next(ErrorCode::not_found,
                     fmt::format("there is no folder or workspace '{}'", name),
                     "drover workspaces lists the workspaces");
  }
  if (!path) return std::unexpected(path.error());
  if (!std::filesystem::is_directory(*path))
    return fail(ErrorCode::invalid_argument, "the workspace {} is not a folder", printable(*path));
  if (!is_utf8(*path))
    return fail(ErrorCode::invalid_argument, "the path {} is not valid UTF-8", printable(*path));
  json::object body;
  body["path"] = *path;
  if (init == Init::if_needed) body["init"] = true;
  auto const workspace = client.post("/workspaces", body);
  if (!workspace) return std::unexpected(workspace.error());
  return WorkspaceId::parse(string_or(*workspace, "id", ""));
}

}  // namespace

Result<std::vector<GrantedWorkspace>> open_workspaces(ApiClient& client,
                                                      RunCommand const& command) {
  std::vector<std::string> names = command.workspaces;
  if (names.empty()) names.emplace_back(".");
  std::vector<GrantedWorkspace> granted;
  for (std::string const& name : names) {
    auto id = open_workspace(client, name, command.init);
    if (!id) return std::unexpected(id.error());
    granted.push_back({*std::move(id), command.access, command.checkout});
  }
  return granted;
}

}  // namespace drover::cli
