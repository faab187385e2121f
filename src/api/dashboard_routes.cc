#include "api/dashboard_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "api/dashboard_files.h"
#include "api/replies.h"
#include "base/check.h"
#include "base/json.h"
#include "base/text.h"

namespace drover::api {

namespace {

// Who signed in with the token and said no name.
constexpr std::string_view kNobody = "integration:dashboard";
constexpr std::size_t kSignInBytesMax = 4096;

// Nothing from elsewhere, nothing inline, in nobody's frame, and no text becomes markup.
constexpr std::string_view kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'";

enum class Keep : std::uint8_t {
  ask_again,
  for_ever,  // its name changes with what is in it
};

DashboardFile const* find_file(std::string_view name) {
  auto const files = dashboard_files();
  auto const found = std::ranges::find(files, name, &DashboardFile::name);
  return found == files.end() ? nullptr : &*found;
}

Task<Status> send_file(net::HttpReply& reply, net::HttpRequest const& request,
                       DashboardFile const& file, Keep keep) {
  net::Headers headers{{"content-type", std::string{file.type}},
                       {"content-security-policy", std::string{kContentPolicy}},
                       {"x-content-type-options", "nosniff"},
                       {"referrer-policy", "no-referrer"},
                       {"cross-origin-opener-policy", "same-origin"},
                       {"cross-origin-resource-policy", "same-origin"},
                       {"vary", "Accept-Encoding"}};
  headers.add("cache-control",
              keep == Keep::for_ever ? "public, max-age=31536000, immutable" : "no-cache");
  bool const small = request.headers.has_token("accept-encoding", "gzip");
  if (small) headers.add("content-encoding", "gzip");
  std::string body{small ? file.gzip : file.plain};
  co_return co_await reply.send(200, std::move(headers), std::move(body));
}

json::object to_json(DashboardSession const& session) {
  return {{"actor", json::string{session.actor}}, {"expires_at", to_rfc3339(session.expires)}};
}

}  // namespace

RouteTable<DashboardRoutes> DashboardRoutes::table() {
  using Self = DashboardRoutes;
  // Those without an operation are pages: web/src/routes.ts has the same paths.
  static constexpr std::array<RouteEntry<Self>, 12> kTable = {{
      {{"GET", "/", ""}, Access::open, &Self::get_page},
      {{"GET", "/agents", ""}, Access::open, &Self::get_page},
      {{"GET", "/agents/{agent}", ""}, Access::open, &Self::get_page},
      {{"GET", "/agents/{agent}/{view}", ""}, Access::open, &Self::get_page},
      {{"GET", "/new-agent", ""}, Access::open, &Self::get_page},
      {{"GET", "/fleet", ""}, Access::open, &Self::get_page},
      {{"GET", "/audit", ""}, Access::open, &Self::get_page},
      {{"GET", "/assets/{file}", ""}, Access::open, &Self::get_asset},
      {{"POST", "/api/v1/dashboard/codes", "createDashboardCode"},
       Access::token,
       &Self::create_code},
      {{"GET", "/api/v1/dashboard/session", "getDashboardSession"},
       Access::open,
       &Self::get_session},
      {{"POST", "/api/v1/dashboard/session", "signIn"}, Access::open, &Self::sign_in},
      {{"DELETE", "/api/v1/dashboard/session", "signOut"}, Access::token, &Self::sign_out},
  }};
  return kTable;
}

void DashboardRoutes::set_policy(AuthPolicy const& policy) {
  policy_ = policy;
}

Task<Status> DashboardRoutes::get_page(Call call, net::HttpReply& reply) {
  auto const* const page = find_file("index.html");
  DROVER_CHECK(page != nullptr);
  co_return co_await send_file(reply, call.request, *page, Keep::ask_again);
}

Task<Status> DashboardRoutes::get_asset(Call call, net::HttpReply& reply) {
  std::string const& name = call.path.at("file");
  auto const* const file = name == "index.html" ? nullptr : find_file(name);
  if (file == nullptr)
    co_return fail_next(ErrorCode::not_found, fmt::format("there is no asset {}", printable(name)),
                        "load the page anew: the server is of another version than the page");
  co_return co_await send_file(reply, call.request, *file, Keep::for_ever);
}

// A session makes no codes: whoever got hold of one could stay for ever.
Task<Status> DashboardRoutes::create_code(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {"actor"});
  if (!known) co_return known;
  if (!call.session_actor.empty())
    co_return fail(ErrorCode::forbidden,
                   "a code is made with the server's token, not in a session");
  auto actor = actor_of(call);
  if (!actor) co_return std::unexpected(actor.error());
  std::string const code =
      codes_.issue(*std::move(actor), services_.clock.boot_now(), services_.random);
  json::object body{{"code", json::string{code}},
                    {"expires_in_s", std::chrono::seconds{kCodeLife}.count()},
                    {"url", nullptr}};
  if (!policy_.public_origin.empty()) body["url"] = json::string{policy_.public_origin};
  co_return co_await reply_json(reply, 201, std::move(body));
}

Result<std::string> DashboardRoutes::actor_signing_in(std::string const& body) {
  if (body.size() > kSignInBytesMax)
    return fail(ErrorCode::too_large, "signing in takes a code or the token, of at most {} bytes",
                kSignInBytesMax);
  auto const value = parse_json(body);
  if (!value) return std::unexpected(value.error());
  auto const* const object = value->if_object();
  if (object != nullptr && object->size() == 1) {
    auto const& [member, given] = *object->begin();
    if (member == "code" && given.is_string())
      return codes_.redeem(given.get_string(), services_.clock.boot_now());
    if (member == "token" && given.is_string()) {
      if (policy_.token.equals(trim(given.get_string()))) return std::string{kNobody};
      return fail_next(ErrorCode::unauthenticated, "the token is not this server's",
                       "drover up prints the token; drover dashboard prints a link");
    }
  }
  return fail(ErrorCode::invalid_argument, "the body is an object with one text, code or token");
}

std::string DashboardRoutes::cookie(std::string_view value, std::chrono::seconds life) const {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}",
                     SessionSeal{policy_.token}.cookie_name(), value, life.count(),
                     policy_.public_origin.starts_with("https:") ? "; Secure" : "");
}

Task<Status> DashboardRoutes::sign_in(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  auto actor = actor_signing_in(call.request.body);
  if (!actor) co_return std::unexpected(actor.error());
  DashboardSession const session{*std::move(actor), services_.clock.now() + kSessionLife};
  net::Headers headers{
      {"set-cookie", cookie(SessionSeal{policy_.token}.seal(session), kSessionLife)}};
  json::object body{{"session", to_json(session)}};
  co_return co_await reply_json(reply, 200, std::move(body), std::move(headers));
}

// Without a session that holds it is null and no error: the page asks before anybody has signed in.
Task<Status> DashboardRoutes::get_session(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  auto const session = session_of(policy_, call.request, services_.clock.now());
  json::object body{{"session", nullptr}};
  if (session) body["session"] = to_json(*session);
  co_return co_await reply_json(reply, 200, std::move(body));
}

Task<Status> DashboardRoutes::sign_out(Call call, net::HttpReply& reply) {
  auto const known = only_query(call.request, {});
  if (!known) co_return known;
  net::Headers headers{{"set-cookie", cookie("", std::chrono::seconds{0})}};
  co_return co_await reply.send(204, std::move(headers), "");
}

}  // namespace drover::api
