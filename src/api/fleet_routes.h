#pragma once
// The containers of resident agents: how they are, the reconciler by hand, their words, and the end
// of a state.
//
// On the event loop.
#include "api/route_table.h"
#include "fleet/reconciler.h"
#include "store/reader.h"

namespace drover::api {

class FleetRoutes {
 public:
  FleetRoutes(fleet::Reconciler& fleet, store::Readers& readers)
      : fleet_(fleet), readers_(readers) {}
  [[nodiscard]] static RouteTable<FleetRoutes> table();

 private:
  Task<Status> list(Call call, net::HttpReply& reply);
  Task<Status> get(Call call, net::HttpReply& reply);
  Task<Status> sync(Call call, net::HttpReply& reply);
  Task<Status> wipe(Call call, net::HttpReply& reply);
  Task<Status> logs(Call call, net::HttpReply& reply);
  Task<Status> follow_logs(Call call, std::string agent, int lines, net::HttpReply& reply);

  fleet::Reconciler& fleet_;
  store::Readers& readers_;
};

}  // namespace drover::api
