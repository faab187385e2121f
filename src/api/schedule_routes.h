#pragma once
// Schedules and the history of their firings.
//
// On the event loop.
#include "api/route_table.h"
#include "schedule/schedules.h"

namespace drover::api {

class ScheduleRoutes {
 public:
  explicit ScheduleRoutes(schedule::Schedules& schedules) : schedules_(schedules) {}
  [[nodiscard]] static RouteTable<ScheduleRoutes> table();

 private:
  Task<Status> create_schedule(Call call, net::HttpReply& reply);
  Task<Status> list_schedules(Call call, net::HttpReply& reply);
  Task<Status> get_schedule(Call call, net::HttpReply& reply);
  Task<Status> replace_schedule(Call call, net::HttpReply& reply);
  Task<Status> cancel_schedule(Call call, net::HttpReply& reply);
  Task<Status> pause_schedule(Call call, net::HttpReply& reply);
  Task<Status> resume_schedule(Call call, net::HttpReply& reply);
  Task<Status> run_schedule(Call call, net::HttpReply& reply);
  Task<Status> list_firings(Call call, net::HttpReply& reply);

  schedule::Schedules& schedules_;
};

}  // namespace drover::api
