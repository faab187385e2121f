#pragma once
// Third-party workers: what the operator of one gives it, and its model calls. See
// docs/third-party-workers.md.
//
// On the event loop.
#include "api/route_table.h"
#include "broker/redis_units.h"
#include "worker/services.h"
#include "worker/workforce.h"

namespace drover::api {

class UnitRoutes {
 public:
  UnitRoutes(worker::Services const& services, worker::Workforce& workforce)
      : services_(services), workforce_(workforce) {}
  // Without them no third-party worker is let in.
  void set_units(broker::RedisUnits const* units) { units_ = units; }
  [[nodiscard]] static RouteTable<UnitRoutes> table();

 private:
  Task<Status> get_environment(Call call, net::HttpReply& reply);
  Task<Status> call_model(Call call, net::HttpReply& reply);

  worker::Services const& services_;
  worker::Workforce& workforce_;
  broker::RedisUnits const* units_ = nullptr;
};

}  // namespace drover::api
