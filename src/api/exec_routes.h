#pragma once
// A command of a person's in the container of a resident agent.
//
// On the event loop.
#include "api/route_table.h"
#include "fleet/resident_backend.h"

namespace drover::api {

class ExecRoutes {
 public:
  explicit ExecRoutes(fleet::ResidentBackend& residents) : residents_(residents) {}
  [[nodiscard]] static RouteTable<ExecRoutes> table();

 private:
  Task<Status> exec(Call call, net::HttpReply& reply);

  fleet::ResidentBackend& residents_;
};

}  // namespace drover::api
