#include "gateway/upstream_set.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

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
  return set;
}

}  // namespace drover::gateway
