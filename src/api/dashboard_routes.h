#pragma once
// The dashboard: its pages, which hold no data and need no token, and signing in and out.
//
// On the event loop.
#include <functional>

#include "api/auth.h"
#include "api/dashboard_access.h"
#include "api/route_table.h"
#include "worker/services.h"

namespace drover::api {

class DashboardRoutes {
 public:
  explicit DashboardRoutes(worker::Services const& services) : services_(services) {}
  // Before the first request.
  void set_policy(AuthPolicy const& policy);
  [[nodiscard]] static RouteTable<DashboardRoutes> table();

 private:
  Task<Status> get_page(Call call, net::HttpReply& reply);
  Task<Status> get_asset(Call call, net::HttpReply& reply);
  Task<Status> create_code(Call call, net::HttpReply& reply);
  Task<Status> sign_in(Call call, net::HttpReply& reply);
  Task<Status> get_session(Call call, net::HttpReply& reply);
  Task<Status> sign_out(Call call, net::HttpReply& reply);

  [[nodiscard]] Result<std::string> actor_signing_in(std::string const& body);
  [[nodiscard]] std::string cookie(std::string_view value, std::chrono::seconds life) const;

  worker::Services const& services_;
  AuthPolicy policy_;
  SignInCodes codes_;
};

}  // namespace drover::api
