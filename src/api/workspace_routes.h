#pragma once
// Workspaces: made known, described and forgotten.
//
// On the event loop.
#include "api/route_table.h"
#include "base/json.h"
#include "worker/services.h"
#include "worker/workforce.h"

namespace drover::api {

class WorkspaceRoutes {
 public:
  WorkspaceRoutes(worker::Services const& services, worker::Workforce const& workforce)
      : services_(services), workforce_(workforce) {}
  [[nodiscard]] static RouteTable<WorkspaceRoutes> table();

 private:
  Task<Status> list_workspaces(Call call, net::HttpReply& reply);
  Task<Status> create_workspace(Call call, net::HttpReply& reply);
  Task<Status> get_workspace(Call call, net::HttpReply& reply);
  Task<Status> delete_workspace(Call call, net::HttpReply& reply);
  Task<Result<json::object>> describe(workspace::Workspace workspace);

  worker::Services const& services_;
  worker::Workforce const& workforce_;
};

}  // namespace drover::api
