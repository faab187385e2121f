#include "gateway/upstream_set.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "base/config_text.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::gateway {

namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20U;

using model::WireFormat;

// nullopt where there is neither NAME.toml nor NAME.json.
Result<std::optional<std::pair<std::string, json::value>>> read_config(std::string const& folder,
                                                                       std::string_view name) {
  std::string const toml = fmt::format("{}/{}.toml", folder, name);
  std::string const json = fmt::format("{}/{}.json", folder, name);
  bool const has_toml = os::exists(toml);
  if (has_toml && os::exists(json))
    return fail_next(ErrorCode::conflict, fmt::format("{} and {} both say the same", toml, json),
                     "remove one of them");
  std::string const path = has_toml ? toml : json;
  if (!os::exists(path)) return std::nullopt;
  auto const text = os::read_file(path, kFileBytesMax);
  if (!text) return std::unexpected(text.error());
  auto value = parse_config(path, *text);
  if (!value)
    return fail(ErrorCode::invalid_argument, "{}: {}", printable(path, 300), value.error().message);
  return std::pair{path, *std::move(value)};
}

Upstream anthropic_of(UpstreamDefaults const& defaults) {
  Upstream upstream;
  upstream.name = "anthropic";
  upstream.formats = {WireFormat::messages};
  upstream.base_url = defaults.anthropic_url;
  upstream.key.kind = KeySource::Kind::environment;
  upstream.key.name = kAnthropicKey;
  upstream.key_header = KeyHeader::x_api_key;
  upstream.ca_file = defaults.ca_file;
  return upstream;
}

Upstream openai_of(UpstreamDefaults const& defaults) {
  Upstream upstream;
  upstream.name = "openai";
  upstream.formats = {WireFormat::responses, WireFormat::chat};
  upstream.base_url = defaults.openai_url;
  upstream.key.kind = KeySource::Kind::environment;
  upstream.key.name = kOpenAiKey;
  upstream.key_header = KeyHeader::bearer;
  upstream.ca_file = defaults.ca_file;
  return upstream;
}

// Every credential of it by the variable that it goes to; its key by the empty name.
std::vector<std::pair<std::string, KeySource>> sources_of(McpServer const& server) {
  std::vector<std::pair<std::string, KeySource>> sources{{"", server.key}};
  for (McpVariable const& variable : server.env)
    sources.emplace_back(variable.name, variable.source);
  std::erase_if(sources,
                [](auto const& source) { return source.second.kind == KeySource::Kind::none; });
  return sources;
}

// Its credentials, and whether it can be started here.
Status read_mcp_server(McpServer const& server, TakenVariables const& variables,
                       UpstreamSet& into) {
  for (auto const& [name, source] : sources_of(server)) {
    auto secret = read_credential(source, variables);
    if (!secret) {
      Error error = secret.error();
      error.message = fmt::format("{} of the MCP server {}: {}", name.empty() ? "the key" : name,
                                  server.name, error.message);
      return std::unexpected(std::move(error));
    }
    into.mcp_secrets[server.name].emplace(name, *std::move(secret));
  }
  if (server.over_http()) return {};
  DROVER_TRY(check_mcp_command(server));
  auto const user = mcp_user(server, ::geteuid());
  return user ? Status{} : std::unexpected(user.error());
}

void add_defaults(GatewayConfig& config, UpstreamDefaults const& defaults,
                  TakenVariables const& variables) {
  for (auto const& [key, upstream] :
       {std::pair{kAnthropicKey, anthropic_of(defaults)}, {kOpenAiKey, openai_of(defaults)}})
    if (!variables.find(std::string{key}).empty())
      config.upstreams.emplace(upstream.name, upstream);  // the file's own stays
  // Models with these names are these providers', unless somebody says otherwise.
  for (auto& [name, upstream] : config.upstreams) {
    if (!upstream.models.empty()) continue;
    if (name == "anthropic") upstream.models = {"claude-*"};
    if (name == "openai") upstream.models = {"gpt-*", "chatgpt-*", "codex-*", "o1*", "o3*", "o4*"};
  }
  if (config.default_model.empty() && config.upstreams.contains("anthropic"))
    config.default_model = "anthropic/claude-sonnet-4-5";
}

}  // namespace

Upstream const* UpstreamSet::find(std::string_view name) const {
  auto const found = config.upstreams.find(name);
  return found == config.upstreams.end() ? nullptr : &found->second;
}

Secret UpstreamSet::key_of(std::string_view upstream) const {
  auto const found = keys.find(upstream);
  return found == keys.end() ? Secret{} : found->second;
}

McpSecrets UpstreamSet::mcp_secrets_of(std::string_view server) const {
  auto const found = mcp_secrets.find(server);
  return found == mcp_secrets.end() ? McpSecrets{} : found->second;
}

bool UpstreamSet::has_mcp_secrets(std::string_view server, McpSecrets const& secrets) const {
  return std::ranges::equal(mcp_secrets_of(server), secrets, [](auto const& a, auto const& b) {
    return a.first == b.first && a.second.equals(b.second.reveal());
  });
}

Result<UpstreamSetPtr> read_upstream_set(std::string const& state_folder,
                                         UpstreamDefaults const& defaults,
                                         TakenVariables& variables, Variables how) {
  auto set = std::make_shared<UpstreamSet>();
  auto const file = read_config(state_folder, "gateway");
  if (!file) return std::unexpected(file.error());
  if (*file) {
    auto config = parse_gateway_config((*file)->second);
    if (!config)
      return fail(config.error().code, "{}: {}", printable((*file)->first, 300),
                  config.error().message);
    set->config = *std::move(config);
  }
  auto const prices = read_config(state_folder, "prices");
  if (!prices) return std::unexpected(prices.error());
  if (*prices) {
    auto table = model::PriceTable::parse((*prices)->second);
    if (!table)
      return fail(table.error().code, "{}: {}", printable((*prices)->first, 300),
                  table.error().message);
    set->prices = *std::move(table);
  }
  if (how == Variables::take) {
    for (std::string_view const name : {kAnthropicKey, kOpenAiKey})
      variables.take(std::string{name});
    for (auto const& [name, upstream] : set->config.upstreams)
      if (upstream.key.kind == KeySource::Kind::environment) variables.take(upstream.key.name);
    for (auto const& [name, server] : set->config.mcp)
      for (auto const& [variable, source] : sources_of(server))
        if (source.kind == KeySource::Kind::environment) variables.take(source.name);
  }
  add_defaults(set->config, defaults, variables);
  for (auto const& [name, upstream] : set->config.upstreams) {
    auto key = read_credential(upstream.key, variables);
    if (!key) {
      Error error = key.error();
      error.message = fmt::format("the key of the upstream {}: {}", name, error.message);
      return std::unexpected(std::move(error));
    }
    if (!key->empty()) set->keys.emplace(name, *std::move(key));
  }
  for (auto const& [name, server] : set->config.mcp)
    DROVER_TRY(read_mcp_server(server, variables, *set));
  return set;
}

}  // namespace drover::gateway
