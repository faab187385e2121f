#pragma once
// Who may call: a bearer token, and for browsers the Host and Origin checks that keep other web
// sites out (DNS rebinding, cross-site requests). Pure.
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "net/http_server.h"

namespace drover::api {

struct AuthPolicy {
  Secret token;
  // Host headers that name this server, lower case, with port: "127.0.0.1:7717", "localhost:7717".
  std::vector<std::string> hosts;
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

}  // namespace drover::api
