#pragma once
// Who may call: a bearer token, or the session of a dashboard; and for browsers the Host and Origin
// checks that keep other web sites out (DNS rebinding, cross-site requests). Pure.
#include <cstdint>
#include <string>
#include <vector>

#include "api/dashboard_access.h"
#include "base/error.h"
#include "base/secret.h"
#include "net/http_server.h"

namespace drover::api {

struct AuthPolicy {
  Secret token;
  // Host headers that name this server, lower case, with port: "127.0.0.1:7717", "localhost:7717".
  std::vector<std::string> hosts;
  // What browsers say where this server is behind another, as "https://drover.example.org"; empty:
  // it is not. Its host is among the hosts.
  std::string public_origin{};
};

// The loopback names of a server that listens on `port`.
// How clients name a host and port; port 80 is left out by most.
[[nodiscard]] std::vector<std::string> host_names(std::string_view host, std::uint16_t port);
[[nodiscard]] std::vector<std::string> loopback_hosts(std::uint16_t port);

// For every request, before routing: the Host must be the server's; an Origin, where there is one,
// must be the server's own; a request with a body must be JSON, because a form of another site can
// send everything else without asking first.
[[nodiscard]] Status check_browser_rules(AuthPolicy const& policy, net::HttpRequest const& request);

// unauthenticated without a token, and with a wrong one; compares in constant time.
[[nodiscard]] Status check_token(AuthPolicy const& policy, net::HttpRequest const& request);

// The session whose cookie the request has. unauthenticated: it has none that holds.
[[nodiscard]] Result<DashboardSession> session_of(AuthPolicy const& policy,
                                                  net::HttpRequest const& request, WallTime now);
// A browser adds the cookie to whatever request some page makes. So one that changes something has
// to say that it is of a page of ours: forbidden without an Origin (a foreign one is refused by
// check_browser_rules), or where the browser says that another site asks.
[[nodiscard]] Status check_own_page(net::HttpRequest const& request);

struct Caller {
  std::string session_actor;  // empty: came with the token
};
// By its bearer token, where it has one; else by its session.
[[nodiscard]] Result<Caller> check_caller(AuthPolicy const& policy, net::HttpRequest const& request,
                                          WallTime now);

}  // namespace drover::api
