#pragma once
// `[mcp.NAME]` of gateway.toml: the MCP servers outside that agents may be given tools of. Pure;
// holds no credential, only where each one is. docs/gateway.md is the format.
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "gateway/key_source.h"

namespace drover::gateway {

// What drover itself offers to units has this name.
inline constexpr std::string_view kOwnMcpServer = "drover";

// One variable of a server's environment: as it stands, or from where a credential is.
struct McpVariable {
  std::string name;
  std::string text;
  KeySource source;
  friend bool operator==(McpVariable const&, McpVariable const&) = default;
};

struct McpTimeouts {
  Millis start{30'000};      // until it has answered `initialize`
  Millis call{120'000};      // of one call of a tool
  Millis idle{300'000};      // a session that calls nothing for so long has none any more
  Millis approval{600'000};  // for a person to decide on a call
  friend bool operator==(McpTimeouts const&, McpTimeouts const&) = default;
};

struct McpServer {
  std::string name;
  // A program that speaks over its standard streams, one for each session; empty: over HTTP.
  std::vector<std::string> command;
  std::vector<McpVariable> env;
  std::string user;  // that runs it; empty: nobody where the server is root, else the server's own
  std::string url;
  KeySource key;
  KeyHeader key_header = KeyHeader::bearer;
  std::string ca_file;                            // PEM; empty: the system's
  std::optional<std::vector<std::string>> tools;  // absent: all that it has
  McpTimeouts timeouts;
  std::size_t sessions_max = 32;  // at once

  [[nodiscard]] bool over_http() const { return command.empty(); }
  [[nodiscard]] bool allows(std::string_view tool) const;
  friend bool operator==(McpServer const&, McpServer const&) = default;
};

using McpServers = std::map<std::string, McpServer, std::less<>>;

inline constexpr std::size_t kMcpServersMax = 64;

// The table `mcp` of the file. invalid_argument names the JSON pointer of what does not fit.
[[nodiscard]] Result<McpServers> mcp_servers_of(JsonObject const& root);

}  // namespace drover::gateway
