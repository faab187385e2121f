#pragma once
// Where a Redis server is, and as whom to come: the broker's URL.
//
//   redis://[user[:password]@]host[:port][/db]      rediss://… the same over TLS
//   unix:///path[?db=N], redis+socket:///path       with user and password before the path
//
// `ca_file=/path` in the query of rediss:// names the certificates to trust instead of the
// system's. User, password and path are percent-coded.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

namespace drover::redis {

struct Endpoint {
  enum class Transport : std::uint8_t { tcp, tls, unix_socket };
  Transport transport = Transport::tcp;
  std::string host;  // of tcp and tls
  std::uint16_t port = 6379;
  std::string path;  // of the unix socket
  std::string user;  // empty: Redis's "default"
  Secret password;
  int db = 0;
  std::string ca_file;

  // For people and logs: the URL without user and password.
  [[nodiscard]] std::string shown() const;
};

// The error never repeats the URL, which may hold a password.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view url);

}  // namespace drover::redis
