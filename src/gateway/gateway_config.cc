#include "gateway/gateway_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "gateway/config_fields.h"

namespace drover::gateway {

namespace {

using model::WireFormat;

constexpr std::int64_t kRequestsMaxMax = 10'000;
constexpr std::int64_t kAttemptsMaxMax = 20;
constexpr std::size_t kFallbacksMax = 8;

Result<std::vector<WireFormat>> formats_of(JsonObject const& object) {
  auto const names = texts(object, "kind");
  if (!names) return std::unexpected(names.error());
  std::vector<WireFormat> formats;
  for (std::string const& name : *names) {
    auto const format = model::parse_wire_format(name);
    if (!format)
      return fail(ErrorCode::invalid_argument,
                  "{}: expected anthropic, openai-responses or openai-chat, found '{}'",
                  object.pointer_to("kind"), printable(name, 60));
    if (std::ranges::find(formats, *format) == formats.end()) formats.push_back(*format);
  }
  if (formats.empty())
    return fail(ErrorCode::invalid_argument,
                "{}: expected anthropic, openai-responses, openai-chat, or an array of them",
                object.pointer_to("kind"));
  return formats;
}

Result<KeyHeader> key_header_of(JsonObject const& object, std::vector<WireFormat> const& formats) {
  auto const name = object.optional_string("auth");
  if (!name) return std::unexpected(name.error());
  if (!*name)
    return formats.front() == WireFormat::messages ? KeyHeader::x_api_key : KeyHeader::bearer;
  auto const header = parse_key_header(**name);
  if (!header)
    return fail(ErrorCode::invalid_argument, "{}: {}", object.pointer_to("auth"),
                header.error().message);
  return header;
}

Result<UpstreamTimeouts> timeouts_of(JsonObject const& object) {
  UpstreamTimeouts timeouts;
  if (object.find("timeouts") == nullptr) return timeouts;
  auto const table = object.object("timeouts");
  if (!table) return std::unexpected(table.error());
  DROVER_TRY(only(*table, {"connect_s", "head_s", "first_token_s", "idle_s", "total_s"}));
  DROVER_TRY(read_seconds(*table, "connect_s", timeouts.connect));
  DROVER_TRY(read_seconds(*table, "head_s", timeouts.head));
  DROVER_TRY(read_seconds(*table, "first_token_s", timeouts.first_token));
  DROVER_TRY(read_seconds(*table, "idle_s", timeouts.idle));
  DROVER_TRY(read_seconds(*table, "total_s", timeouts.total));
  return timeouts;
}

Result<Upstream> upstream_of(std::string name, JsonObject const& object) {
  DROVER_TRY(only(object, {"kind", "base_url", "key", "auth", "ca_file", "models", "timeouts",
                           "requests_at_once", "attempts"}));
  Upstream upstream;
  upstream.name = std::move(name);
  auto formats = formats_of(object);
  if (!formats) return std::unexpected(formats.error());
  upstream.formats = *std::move(formats);
  auto const url = object.string("base_url");
  if (!url) return std::unexpected(url.error());
  auto base_url = parse_base_url(*url);
  if (!base_url)
    return fail(ErrorCode::invalid_argument, "{}: {}", object.pointer_to("base_url"),
                base_url.error().message);
  upstream.base_url = *std::move(base_url);
  auto key = key_source(object, "key");
  if (!key) return std::unexpected(key.error());
  upstream.key = *std::move(key);
  auto const header = key_header_of(object, upstream.formats);
  if (!header) return std::unexpected(header.error());
  upstream.key_header = *header;
  auto const ca_file = object.optional_string("ca_file");
  if (!ca_file) return std::unexpected(ca_file.error());
  upstream.ca_file = ca_file->value_or("");
  auto models = texts(object, "models");
  if (!models) return std::unexpected(models.error());
  upstream.models = *std::move(models);
  auto const timeouts = timeouts_of(object);
  if (!timeouts) return std::unexpected(timeouts.error());
  upstream.timeouts = *timeouts;
  auto const requests =
      number_from_one(object, "requests_at_once", static_cast<std::int64_t>(upstream.requests_max),
                      kRequestsMaxMax);
  if (!requests) return std::unexpected(requests.error());
  upstream.requests_max = static_cast<std::size_t>(*requests);
  auto const attempts = number_from_one(object, "attempts", upstream.attempts_max, kAttemptsMaxMax);
  if (!attempts) return std::unexpected(attempts.error());
  upstream.attempts_max = static_cast<int>(*attempts);
  return upstream;
}

Result<ModelAlias> alias_of(JsonObject const& object, GatewayConfig const& config) {
  DROVER_TRY(only(object, {"upstream", "model", "fallback"}));
  ModelAlias alias;
  auto upstream = object.string("upstream");
  if (!upstream) return std::unexpected(upstream.error());
  alias.upstream = *std::move(upstream);
  if (!config.upstreams.contains(alias.upstream))
    return fail(ErrorCode::invalid_argument, "{}: there is no upstream '{}' in this file",
                object.pointer_to("upstream"), printable(alias.upstream, 80));
  auto model = object.string("model");
  if (!model) return std::unexpected(model.error());
  alias.model = *std::move(model);
  if (alias.model.empty())
    return fail(ErrorCode::invalid_argument, "{}: expected the upstream's name of the model",
                object.pointer_to("model"));
  auto fallbacks = texts(object, "fallback");
  if (!fallbacks) return std::unexpected(fallbacks.error());
  if (fallbacks->size() > kFallbacksMax)
    return fail(ErrorCode::invalid_argument, "{}: at most {} models", object.pointer_to("fallback"),
                kFallbacksMax);
  alias.fallbacks = *std::move(fallbacks);
  return alias;
}

}  // namespace

bool Upstream::speaks(model::WireFormat format) const {
  return std::ranges::find(formats, format) != formats.end();
}

Result<std::string> parse_base_url(std::string_view url) {
  std::string_view rest = url;
  for (std::string_view const scheme : {"https://", "http://"})
    if (rest.starts_with(scheme)) {
      rest.remove_prefix(scheme.size());
      break;
    }
  bool const plain = std::ranges::all_of(rest, [](char c) {
    return c > ' ' && c < 0x7f && c != '?' && c != '#' && c != '@' && c != '\\';
  });
  auto const parts = split(rest, '/');
  bool const dots =
      std::ranges::any_of(parts, [](std::string_view part) { return part == ".." || part == "."; });
  if (rest.size() == url.size() || rest.empty() || rest.front() == '/' || !plain || dots)
    return fail(ErrorCode::invalid_argument,
                "expected an http:// or https:// address without user, query and fragment");
  while (url.ends_with('/'))
    url.remove_suffix(1);
  return std::string{url};
}

Result<GatewayConfig> parse_gateway_config(json::value const& value) {
  auto const root = JsonObject::of(value);
  if (!root) return std::unexpected(root.error());
  DROVER_TRY(only(*root, {"default_model", "upstreams", "models", "budgets", "mcp"}));
  GatewayConfig config;
  auto const upstreams = table_of(*root, "upstreams", kUpstreamsMax);
  if (!upstreams) return std::unexpected(upstreams.error());
  if (*upstreams)
    for (auto const& member : (*upstreams)->raw()) {
      std::string name{member.key()};
      if (!is_config_name(name))
        return fail(ErrorCode::invalid_argument,
                    "/upstreams: '{}' is no name: small letters, digits and '-'",
                    printable(name, 80));
      auto const object = (*upstreams)->object(name);
      if (!object) return std::unexpected(object.error());
      auto upstream = upstream_of(name, *object);
      if (!upstream) return std::unexpected(upstream.error());
      config.upstreams.emplace(std::move(name), *std::move(upstream));
    }
  auto const models = table_of(*root, "models", kModelAliasesMax);
  if (!models) return std::unexpected(models.error());
  if (*models)
    for (auto const& member : (*models)->raw()) {
      auto const object = (*models)->object(member.key());
      if (!object) return std::unexpected(object.error());
      auto alias = alias_of(*object, config);
      if (!alias) return std::unexpected(alias.error());
      config.models.emplace(std::string{member.key()}, *std::move(alias));
    }
  auto model = root->optional_string("default_model");
  if (!model) return std::unexpected(model.error());
  config.default_model = std::move(*model).value_or("");
  if (auto const* const budgets = root->find("budgets")) {
    auto limits = parse_spend_limits(*budgets, "/budgets");
    if (!limits) return std::unexpected(limits.error());
    config.budgets = *std::move(limits);
  }
  auto mcp = mcp_servers_of(*root);
  if (!mcp) return std::unexpected(mcp.error());
  config.mcp = *std::move(mcp);
  return config;
}

}  // namespace drover::gateway
