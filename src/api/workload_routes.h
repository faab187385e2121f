#pragma once
// Workloads of the API (runtime.v1): started from the server's profiles, watched, stopped, removed.
//
// On the event loop.
#include "api/route_table.h"
#include "runtime/workload_kernel.h"
#include "worker/services.h"

namespace drover::api {

class WorkloadRoutes {
 public:
  WorkloadRoutes(worker::Services const& services, runtime::WorkloadKernel& kernel)
      : services_(services), kernel_(kernel) {}
  [[nodiscard]] static RouteTable<WorkloadRoutes> table();
  // The contract names its paths without the prefix of this API: those are served, too.
  [[nodiscard]] static std::string full_path(std::string path);

 private:
  Task<Status> create_workload(Call call, net::HttpReply& reply);
  Task<Status> list_workloads(Call call, net::HttpReply& reply);
  Task<Status> get_workload(Call call, net::HttpReply& reply);
  Task<Status> stop_workload(Call call, net::HttpReply& reply);
  Task<Status> delete_workload(Call call, net::HttpReply& reply);
  Task<Status> touch_workload(Call call, net::HttpReply& reply);
  Task<Status> get_logs(Call call, net::HttpReply& reply);
  Task<Status> get_health(Call call, net::HttpReply& reply);

  worker::Services const& services_;
  runtime::WorkloadKernel& kernel_;
};

}  // namespace drover::api
