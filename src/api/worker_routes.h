#pragma once
// What workers in processes of their own say: docs/workers.md.
//
// On the event loop.
#include "api/route_table.h"
#include "worker/joined_workers.h"
#include "worker/services.h"

namespace drover::api {

class WorkerRoutes {
 public:
  WorkerRoutes(worker::Services const& services, worker::JoinedWorkers& joined)
      : services_(services), joined_(joined) {}
  [[nodiscard]] static RouteTable<WorkerRoutes> table();

 private:
  Task<Status> list_workers(Call call, net::HttpReply& reply);
  Task<Status> join_worker(Call call, net::HttpReply& reply);
  Task<Status> leave_worker(Call call, net::HttpReply& reply);
  Task<Status> claim_runs(Call call, net::HttpReply& reply);
  Task<Status> beat_worker(Call call, net::HttpReply& reply);
  Task<Status> take_step(Call call, net::HttpReply& reply);
  Task<Status> call_model(Call call, net::HttpReply& reply);
  Task<Status> call_mcp(Call call, net::HttpReply& reply);

  worker::Services const& services_;
  worker::JoinedWorkers& joined_;
};

}  // namespace drover::api
