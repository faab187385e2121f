#include "api/router.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>

#include "base/text.h"

namespace drover::api {

namespace {

std::optional<PathParameters> fit(std::string_view pattern, std::string_view path) {
  auto const wanted = split(pattern, '/');
  auto const given = split(path, '/');
  if (wanted.size() != given.size()) return std::nullopt;
  PathParameters parameters;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::string_view const part = wanted[i];
    if (part.starts_with('{')) {
      if (given[i].empty()) return std::nullopt;
      parameters.emplace(part.substr(1, part.size() - 2), given[i]);
    } else if (part != given[i]) {
      return std::nullopt;
    }
  }
  return parameters;
}

}  // namespace

void Router::add(Route route) {
  routes_.push_back(std::move(route));
}

Result<Router::Match> Router::match(std::string_view method, std::string_view path) const {
  std::vector<std::string_view> other_methods;
  for (Route const& route : routes_) {
    auto parameters = fit(route.pattern, path);
    if (!parameters) continue;
    // HEAD is GET without its body, which the server leaves out.
    if (route.method == method || (method == "HEAD" && route.method == "GET"))
      return Match{&route, *std::move(parameters)};
    other_methods.push_back(route.method);
  }
  if (other_methods.empty())
    return fail_next(ErrorCode::not_found, fmt::format("there is no {}", printable(path)),
                     "the routes are listed at /api/v1/openapi.json");
  return fail(ErrorCode::invalid_argument, "{} takes {}, not {}", printable(path),
              fmt::join(other_methods, ", "), printable(method, 20));
}

}  // namespace drover::api
