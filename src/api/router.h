#pragma once
// Which handler serves a request: a table of methods and path patterns such as
// /api/v1/runs/{run}/diff. Pure; built once, read-only afterwards.
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/http_server.h"

namespace drover::api {

enum class Access : std::uint8_t {
  token,  // a bearer token is needed, or a session of the dashboard
  open,   // health probes, the dashboard's pages, and signing in
  // The handler checks a signature over the body. Neither token nor the rules for browsers: another
  // service calls it, through whatever name this server has for it.
  signature,
  // The handler checks the token of a unit. No rules for browsers either.
  unit_token,
};

using PathParameters = std::map<std::string, std::string, std::less<>>;

struct Call {
  net::HttpRequest request;
  PathParameters path;
  std::string session_actor{};  // of the dashboard's session that it came in; empty: in none
};

struct Route {
  std::string method;
  std::string pattern;
  Access access = Access::token;
  // Answers the call; errors are answered by whoever runs the handler.
  std::function<Task<Status>(Call, net::HttpReply&)> handler;
};

class Router {
 public:
  void add(Route route);
  [[nodiscard]] std::vector<Route> const& routes() const { return routes_; }

  struct Match {
    Route const* route = nullptr;
    PathParameters path;
  };
  // not_found when no pattern fits, invalid_argument (405) naming the methods when another would.
  [[nodiscard]] Result<Match> match(std::string_view method, std::string_view path) const;

 private:
  std::vector<Route> routes_;
};

}  // namespace drover::api
