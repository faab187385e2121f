#include "gateway/model_route.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace drover::gateway {

namespace {

constexpr std::string_view kScripted = "scripted:";
constexpr std::size_t kNameBytesMax = 128;

bool is_model_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name.front() == '/' || name.back() == '/')
    return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"-._:@/"}.contains(c);
  });
}

// How many characters of the name a pattern fixes; 0 where it does not fit.
std::size_t fit(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return pattern == name ? name.size() + 1 : 0;
  pattern.remove_suffix(1);
  return name.starts_with(pattern) ? pattern.size() + 1 : 0;
}

Upstream const* owner_of(GatewayConfig const& config, std::string_view name) {
  Upstream const* best = nullptr;
  std::size_t longest = 0;
  for (auto const& [key, upstream] : config.upstreams)
    for (std::string const& pattern : upstream.models) {
      std::size_t const fits = fit(pattern, name);
      if (fits <= longest) continue;
      best = &upstream;
      longest = fits;
    }
  return best;
}

std::unexpected<Error> no_model(GatewayConfig const& config, std::string_view name) {
  std::vector<std::string_view> upstreams;
  for (auto const& [upstream, ignored] : config.upstreams)
    upstreams.emplace_back(upstream);
  if (upstreams.empty() && (name.starts_with("claude-") || name.starts_with("anthropic/")))
    return fail_next(
        ErrorCode::invalid_argument,
        fmt::format("the model {} needs an API key, and the server has none", printable(name)),
        "start the server with ANTHROPIC_API_KEY set (drover down, then drover up), or name the "
        "upstream in gateway.toml");
  return fail_next(
      ErrorCode::invalid_argument, "there is no model '" + printable(name) + "'",
      upstreams.empty()
          ? "write anthropic/<model name> or scripted:<file>, and give the server a provider's key"
          : fmt::format("write <upstream>/<model name> with one of the upstreams {}, a name of "
                        "[models] in gateway.toml, or scripted:<file>",
                        fmt::join(upstreams, ", ")));
}

}  // namespace

Result<ModelRoute> find_model(GatewayConfig const& config, std::string_view name) {
  if (name.starts_with(kScripted)) {
    std::string_view const path = name.substr(kScripted.size());
    if (!path.starts_with('/') || path.contains('\0'))
      return fail_next(ErrorCode::invalid_argument,
                       "the scripted model '" + printable(name) + "' names no absolute file",
                       "write scripted:/path/to/model.json");
    return ModelRoute{{}, "scripted", std::string{path}};
  }
  auto const alias = config.models.find(name);
  if (alias != config.models.end())
    return ModelRoute{alias->second.upstream, alias->second.model, {}};
  if (!is_model_name(name)) return no_model(config, name);
  std::string_view const prefix = name.substr(0, name.find('/'));
  if (prefix.size() < name.size() && config.upstreams.contains(prefix))
    return ModelRoute{std::string{prefix}, std::string{name.substr(prefix.size() + 1)}, {}};
  Upstream const* const owner = owner_of(config, name);
  if (owner == nullptr) return no_model(config, name);
  return ModelRoute{owner->name, std::string{name}, {}};
}

Result<std::vector<ModelRoute>> find_fallbacks(GatewayConfig const& config, std::string_view name,
                                               std::vector<std::string> const& first) {
  std::vector<std::string> names = first;
  auto const alias = config.models.find(name);
  if (alias != config.models.end())
    names.insert(names.end(), alias->second.fallbacks.begin(), alias->second.fallbacks.end());
  std::vector<ModelRoute> routes;
  if (names.empty()) return routes;
  auto const itself = find_model(config, name);
  if (!itself) return std::unexpected(itself.error());
  for (std::string const& fallback : names) {
    auto route = find_model(config, fallback);
    if (!route) return std::unexpected(route.error());
    bool const known = *route == *itself || std::ranges::find(routes, *route) != routes.end();
    if (!known) routes.push_back(*std::move(route));
  }
  return routes;
}

}  // namespace drover::gateway
