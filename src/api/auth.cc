#include "api/auth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace drover::api {

namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool is_json(std::string_view content_type) {
  return iequals(trim(content_type.substr(0, content_type.find(';'))), "application/json");
}

}  // namespace

std::vector<std::string> host_names(std::string_view host, std::uint16_t port) {
  std::vector<std::string> names = {fmt::format("{}:{}", host, port)};
  if (port == 80) names.emplace_back(host);
  return names;
}

std::vector<std::string> loopback_hosts(std::uint16_t port) {
  std::vector<std::string> hosts;
  for (std::string_view const host : {"127.0.0.1", "localhost", "[::1]"})
    for (std::string& name : host_names(host, port))
      hosts.push_back(std::move(name));
  return hosts;
}

Status check_browser_rules(AuthPolicy const& policy, net::HttpRequest const& request) {
  auto const ours = [&](std::string_view host) {
    return std::ranges::find(policy.hosts, lower(host)) != policy.hosts.end();
  };
  auto const* const host = request.header("host");
  if (host == nullptr || !ours(*host))
    return fail_next(ErrorCode::forbidden,
                     fmt::format("the Host '{}' is not this server's",
                                 host == nullptr ? "" : printable(*host, 80)),
                     fmt::format("use http://{}", policy.hosts.front()));
  auto const* const origin = request.header("origin");
  if (origin != nullptr && (policy.public_origin.empty() || *origin != policy.public_origin)) {
    std::string_view const scheme = "http://";
    if (!origin->starts_with(scheme) || !ours(std::string_view{*origin}.substr(scheme.size())))
      return fail(ErrorCode::forbidden, "requests of the web site '{}' are refused",
                  printable(*origin, 80));
  }
  auto const* const content_type = request.header("content-type");
  bool const has_body = !request.body.empty();
  if ((has_body || content_type != nullptr) && request.method != "GET" &&
      (content_type == nullptr || !is_json(*content_type)))
    return fail(ErrorCode::forbidden, "a body is sent as Content-Type: application/json");
  return {};
}

Status check_token(AuthPolicy const& policy, net::HttpRequest const& request) {
  auto const* const header = request.header("authorization");
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view given = header == nullptr ? std::string_view{} : std::string_view{*header};
  if (given.size() <= kScheme.size() || !iequals(given.substr(0, kScheme.size()), kScheme))
    return fail_next(ErrorCode::unauthenticated, "the request carries no bearer token",
                     "send Authorization: Bearer TOKEN; drover up prints the token");
  if (!policy.token.equals(trim(given.substr(kScheme.size()))))
    return fail_next(ErrorCode::unauthenticated, "the bearer token is not this server's",
                     "drover up prints the token");
  return {};
}

Result<DashboardSession> session_of(AuthPolicy const& policy, net::HttpRequest const& request,
                                    WallTime now) {
  SessionSeal const seal{policy.token};
  auto const cookie = cookie_value(request.headers, seal.cookie_name());
  if (cookie.empty())
    return fail(ErrorCode::unauthenticated, "the request has no session of the dashboard");
  return seal.open(cookie, now);
}

Status check_own_page(net::HttpRequest const& request) {
  bool const reads = request.method == "GET" || request.method == "HEAD";
  if (!reads && request.header("origin") == nullptr)
    return fail(ErrorCode::forbidden,
                "a change that comes with the dashboard's cookie needs the Origin of its page");
  auto const* const site = request.header("sec-fetch-site");
  if (site != nullptr && *site != "same-origin" && *site != "none")
    return fail(ErrorCode::forbidden, "requests of other web sites are refused");
  return {};
}

Result<Caller> check_caller(AuthPolicy const& policy, net::HttpRequest const& request,
                            WallTime now) {
  auto const by_token = check_token(policy, request);
  if (by_token) return Caller{};
  if (request.header("authorization") != nullptr) return std::unexpected(by_token.error());
  SessionSeal const seal{policy.token};
  if (cookie_value(request.headers, seal.cookie_name()).empty())
    return std::unexpected(by_token.error());
  auto session = session_of(policy, request, now);
  if (!session) return std::unexpected(session.error());
  DROVER_TRY(check_own_page(request));
  return Caller{std::move(session->actor)};
}

}  // namespace drover::api
