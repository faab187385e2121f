#pragma once
// Events from outside, and the hooks through which other services send them.
//
// On the event loop.
#include "api/route_table.h"
#include "schedule/schedules.h"

namespace drover::api {

class EventRoutes {
 public:
  explicit EventRoutes(schedule::Schedules& schedules) : schedules_(schedules) {}
  [[nodiscard]] static RouteTable<EventRoutes> table();

 private:
  Task<Status> accept_event(Call call, net::HttpReply& reply);
  Task<Status> create_hook(Call call, net::HttpReply& reply);
  Task<Status> list_hooks(Call call, net::HttpReply& reply);
  Task<Status> get_hook(Call call, net::HttpReply& reply);
  Task<Status> replace_hook(Call call, net::HttpReply& reply);
  Task<Status> delete_hook(Call call, net::HttpReply& reply);
  Task<Status> deliver_hook(Call call, net::HttpReply& reply);

  schedule::Schedules& schedules_;
};

}  // namespace drover::api
