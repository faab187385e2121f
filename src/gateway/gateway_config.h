#pragma once
// What `gateway.toml` says: the upstreams, and which model is asked of which. docs/gateway.md is
// the format. Pure; holds no credential, only where each one is.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "gateway/key_source.h"
#include "gateway/ledger.h"
#include "gateway/mcp_config.h"
#include "model/wire_format.h"

namespace drover::gateway {

struct UpstreamTimeouts {
  Millis connect{10'000};
  Millis head{120'000};
  Millis first_token{120'000};  // from the head to the first byte of the body
  Millis idle{90'000};
  Millis total{0};  // 0: none
};

struct Upstream {
  std::string name;
  std::vector<model::WireFormat> formats;  // that it speaks; at least one
  std::string base_url;                    // without a slash at the end
  KeySource key;
  KeyHeader key_header = KeyHeader::bearer;
  std::string ca_file;  // PEM; empty: the system's
  std::vector<std::string>
      models;  // names that are its own without a prefix; "x*": all that begin so
  UpstreamTimeouts timeouts;
  std::size_t requests_max = 64;  // at once, with this key
  int attempts_max = 3;           // of one call, before the failure is passed on

  [[nodiscard]] bool speaks(model::WireFormat format) const;
};

// [models.NAME]: a name of one's own.
struct ModelAlias {
  std::string upstream;
  std::string model;
  std::vector<std::string> fallbacks;  // names, in the order in which they are tried
};

struct GatewayConfig {
  std::map<std::string, Upstream, std::less<>> upstreams;
  std::map<std::string, ModelAlias, std::less<>> models;
  std::string default_model;  // of runs that name none; empty: there is none
  std::vector<SpendLimit> budgets;
  McpServers mcp;
};

inline constexpr std::size_t kUpstreamsMax = 64;
inline constexpr std::size_t kModelAliasesMax = 1024;

// invalid_argument names the JSON pointer of what does not fit.
[[nodiscard]] Result<GatewayConfig> parse_gateway_config(json::value const& value);

// An http or https address without user, query, fragment and dot segments; its slashes at the end
// are taken off.
[[nodiscard]] Result<std::string> parse_base_url(std::string_view url);

}  // namespace drover::gateway
