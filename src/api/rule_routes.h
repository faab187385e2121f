#pragma once
// Standing approvals of breakpoints: listed, made, taken back.
//
// On the event loop.
#include "api/route_table.h"
#include "worker/services.h"

namespace drover::api {

class RuleRoutes {
 public:
  explicit RuleRoutes(worker::Services const& services) : services_(services) {}
  [[nodiscard]] static RouteTable<RuleRoutes> table();

 private:
  Task<Status> list(Call call, net::HttpReply& reply);
  Task<Status> create(Call call, net::HttpReply& reply);
  Task<Status> remove(Call call, net::HttpReply& reply);

  worker::Services const& services_;
};

}  // namespace drover::api
