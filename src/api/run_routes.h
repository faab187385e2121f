#pragma once
// Runs: dispatched one by one or many at once, listed, cancelled, hastened, read and followed.
//
// On the event loop.
#include "api/route_table.h"
#include "worker/dispatcher.h"
#include "worker/services.h"
#include "worker/workforce.h"

namespace drover::api {

class RunRoutes {
 public:
  RunRoutes(worker::Services const& services, worker::Dispatcher& dispatcher,
            worker::Workforce& workforce)
      : services_(services), dispatcher_(dispatcher), workforce_(workforce) {}
  [[nodiscard]] static RouteTable<RunRoutes> table();

 private:
  Task<Status> create_run(Call call, net::HttpReply& reply);
  Task<Status> list_runs(Call call, net::HttpReply& reply);
  Task<Status> get_run(Call call, net::HttpReply& reply);
  Task<Status> get_diff(Call call, net::HttpReply& reply);
  Task<Status> cancel_run(Call call, net::HttpReply& reply);
  Task<Status> create_runs(Call call, net::HttpReply& reply);
  Task<Status> run_now(Call call, net::HttpReply& reply);
  Task<Status> stream_events(Call call, net::HttpReply& reply);

  worker::Services const& services_;
  worker::Dispatcher& dispatcher_;
  worker::Workforce& workforce_;
};

}  // namespace drover::api
