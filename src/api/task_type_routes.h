#pragma once
// Task types: read, put and removed.
//
// On the event loop.
#include "api/route_table.h"
#include "store/disk_reserve.h"
#include "worker/task_registry.h"

namespace drover::api {

class TaskTypeRoutes {
 public:
  TaskTypeRoutes(worker::TaskRegistry& task_types, store::DiskReserve const& reserve)
      : task_types_(task_types), reserve_(reserve) {}
  [[nodiscard]] static RouteTable<TaskTypeRoutes> table();

 private:
  Task<Status> list_task_types(Call call, net::HttpReply& reply);
  Task<Status> get_task_type(Call call, net::HttpReply& reply);
  Task<Status> put_task_type(Call call, net::HttpReply& reply);
  Task<Status> delete_task_type(Call call, net::HttpReply& reply);

  worker::TaskRegistry& task_types_;
  store::DiskReserve const& reserve_;
};

}  // namespace drover::api
