#pragma once
// Sessions: listed, continued by a message, landed and removed.
//
// On the event loop.
#include "api/route_table.h"
#include "base/json.h"
#include "worker/dispatcher.h"
#include "worker/run_store.h"
#include "worker/services.h"
#include "worker/workforce.h"

namespace drover::api {

class SessionRoutes {
 public:
  SessionRoutes(worker::Services const& services, worker::Dispatcher& dispatcher,
                worker::Workforce& workforce)
      : services_(services), dispatcher_(dispatcher), workforce_(workforce) {}
  [[nodiscard]] static RouteTable<SessionRoutes> table();

 private:
  Task<Status> list_sessions(Call call, net::HttpReply& reply);
  Task<Status> get_session(Call call, net::HttpReply& reply);
  Task<Status> delete_session(Call call, net::HttpReply& reply);
  Task<Status> send_message(Call call, net::HttpReply& reply);
  Task<Status> land_session(Call call, net::HttpReply& reply);
  [[nodiscard]] json::object session_json(worker::SessionSummary const& summary) const;

  worker::Services const& services_;
  worker::Dispatcher& dispatcher_;
  worker::Workforce& workforce_;
};

}  // namespace drover::api
