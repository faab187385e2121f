#pragma once
// Requests to a server's API, by any thread that has a client of its own. Errors name the request.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "net/blocking_http.h"

namespace drover::bench {

// Where a server is reached. A new one over the same state may have another port.
struct Address {
  std::string url;
  std::string authorization;  // the header's value
  pid_t pid = -1;
};
// As the server wrote it once it listened; not_found before. One that was killed leaves its own.
[[nodiscard]] Result<Address> address_in(std::string const& state_folder);

// The body of a 2xx answer.
[[nodiscard]] Result<json::object> get_json(net::BlockingHttp& http, Address const& address,
                                            std::string const& path);
[[nodiscard]] Result<json::object> post_json(net::BlockingHttp& http, Address const& address,
                                             std::string const& path, json::object const& body);

}  // namespace drover::bench
