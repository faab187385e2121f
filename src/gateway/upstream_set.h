#pragma once
// The upstreams as they are at one time: the configuration, the keys that it names, and the prices.
// A value; a call under way keeps the one that it began with.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "gateway/credential.h"
#include "gateway/gateway_config.h"
#include "gateway/mcp_launch.h"
#include "model/pricing.h"

namespace drover::gateway {

struct UpstreamSet {
  GatewayConfig config;
  std::map<std::string, Secret, std::less<>> keys;             // by upstream; empty keys are absent
  std::map<std::string, McpSecrets, std::less<>> mcp_secrets;  // by MCP server
  model::PriceTable prices;

  [[nodiscard]] Upstream const* find(std::string_view name) const;
  [[nodiscard]] Secret key_of(std::string_view upstream) const;
  [[nodiscard]] McpSecrets mcp_secrets_of(std::string_view server) const;
  // Whether these are what the server's are now.
  [[nodiscard]] bool has_mcp_secrets(std::string_view server, McpSecrets const& secrets) const;
};
using UpstreamSetPtr = std::shared_ptr<UpstreamSet const>;  // shared with the calls under way

// What the environment of the server says, where the file has no upstream of that name.
struct UpstreamDefaults {
  std::string anthropic_url = "https://api.anthropic.com";
  std::string openai_url = "https://api.openai.com/v1";
  std::string ca_file{};
};

inline constexpr std::string_view kAnthropicKey = "ANTHROPIC_API_KEY";
inline constexpr std::string_view kOpenAiKey = "OPENAI_API_KEY";

// Reads gateway.toml (or .json) and prices.toml (or .json) of the state folder, where they are, and
// each key. Blocks. The error of a file names it and the place in it. `take` is true while the
// process has one thread: variables that the file names are then taken out of the environment.
enum class Variables : std::uint8_t { take, taken };
[[nodiscard]] Result<UpstreamSetPtr> read_upstream_set(std::string const& state_folder,
                                                       UpstreamDefaults const& defaults,
                                                       TakenVariables& variables, Variables how);

}  // namespace drover::gateway
