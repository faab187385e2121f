#include "cli/discovery.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <filesystem>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "net/http_types.h"
#include "os/files.h"

namespace drover::cli {

namespace {

constexpr std::size_t kServerFileBytesMax = std::size_t{64} << 10U;
constexpr std::string_view kTokenMark = "#token=";

std::string home_folder(Environment const& environment) {
  if (auto home = environment("HOME"); home && !home->empty()) return *home;
  passwd const* const user = ::getpwuid(::geteuid());
  return user == nullptr || user->pw_dir == nullptr ? "" : user->pw_dir;
}

Status check_address(std::string_view url, std::string_view origin) {
  bool const web = url.starts_with("http://") || url.starts_with("https://");
  if (web && net::is_header_value(url) && url.find_first_of(" \"<>") == std::string_view::npos)
    return {};
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("the server address '{}' of {} is no http:// or https:// URL",
                               printable(url, 80), origin),
                   "give it as http://HOST:PORT");
}

std::string without_slash(std::string_view url) {
  while (url.ends_with('/'))
    url.remove_suffix(1);
  return std::string{url};
}

Result<Endpoint> endpoint_of_user(std::string_view address, std::string_view origin,
                                  Environment const& environment) {
  Endpoint endpoint;
  endpoint.source = EndpointSource::user;
  auto const mark = address.find(kTokenMark);
  endpoint.url = without_slash(address.substr(0, mark));
  DROVER_TRY(check_address(endpoint.url, origin));
  if (auto token = environment("DROVER_TOKEN"); token && !token->empty()) {
    endpoint.token = Secret{*token};
  } else if (mark != std::string_view::npos) {
    endpoint.token = Secret{std::string{address.substr(mark + kTokenMark.size())}};
  } else if (auto const folder = state_folder(environment)) {
    // The user may name the very server that runs here.
    auto local = read_server_file(*folder);
    if (local && local->url == endpoint.url) endpoint.token = local->token;
  }
  if (endpoint.token.empty())
    return fail_next(
        ErrorCode::invalid_argument,
        fmt::format("there is no token for the server {}", net::url_for_people(endpoint.url)),
        "set DROVER_TOKEN to it");
  if (!net::is_header_value(endpoint.token.reveal()))
    return fail(ErrorCode::invalid_argument, "the token for the server {} has control characters",
                net::url_for_people(endpoint.url));
  return endpoint;
}

}  // namespace

Result<std::string> state_folder(Environment const& environment) {
  std::string folder = environment("DROVER_STATE_DIR").value_or("");
  if (folder.empty()) {
    // The XDG specification says to ignore a relative path.
    std::string const xdg = environment("XDG_STATE_HOME").value_or("");
    if (xdg.starts_with('/')) folder = xdg + "/drover";
  }
  if (folder.empty()) {
    std::string const home = home_folder(environment);
    if (home.empty())
      return fail_next(ErrorCode::invalid_argument, "this user has no home folder to keep state in",
                       "set DROVER_STATE_DIR to a folder");
    folder = home + "/.local/state/drover";
  }
  std::error_code error;
  auto const absolute = std::filesystem::absolute(folder, error).lexically_normal();
  if (error)
    return fail(ErrorCode::invalid_argument, "cannot resolve the state folder {}: {}",
                printable(folder), error.message());
  return without_slash(absolute.string());
}

Result<Endpoint> read_server_file(std::string const& state_folder) {
  std::string const path = fmt::format("{}/{}", state_folder, kServerFile);
  auto const text = os::read_file(path, kServerFileBytesMax);
  if (!text && text.error().code == ErrorCode::not_found)
    return fail_next(
        ErrorCode::unavailable,
        fmt::format("no drover server runs with the state folder {}", printable(state_folder)),
        "start one with: drover up");
  if (!text && text.error().code == ErrorCode::forbidden)
    return fail_next(ErrorCode::forbidden, text.error().message,
                     "the state folder is another user's; set DROVER_STATE_DIR to one of your own");
  if (!text) return std::unexpected(text.error());
  auto const broken = [&](Error const& error) {
    return fail_next(
        ErrorCode::data_corrupt,
        fmt::format("the file {} does not hold together: {}", printable(path), error.message),
        "start the server again with: drover up");
  };
  auto const value = parse_json(*text);
  if (!value) return broken(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return broken(object.error());
  auto const url = object->string("url");
  if (!url) return broken(url.error());
  auto token = object->string("token");
  if (!token) return broken(token.error());
  auto const pid = object->integer("pid");
  if (!pid) return broken(pid.error());
  if (auto const fits = check_address(*url, kServerFile); !fits) return broken(fits.error());
  if (!net::is_header_value(*token) || token->empty() || *pid <= 0 || *pid > INT32_MAX)
    return broken(Error{ErrorCode::data_corrupt, "its token or its pid is none", {}});
  Endpoint endpoint;
  endpoint.url = without_slash(*url);
  endpoint.token = Secret{*std::move(token)};
  endpoint.pid = static_cast<pid_t>(*pid);
  auto const* const warnings = object->find("warnings");
  if (warnings != nullptr && warnings->is_array())
    for (json::value const& warning : warnings->get_array())
      if (warning.is_string())
        endpoint.warnings.push_back(printable(std::string_view{warning.get_string()}, 500));
  return endpoint;
}

Result<Endpoint> discover(std::string const& server_option, Environment const& environment) {
  if (!server_option.empty()) return endpoint_of_user(server_option, "--server", environment);
  if (auto const server = environment("DROVER_SERVER"); server && !server->empty())
    return endpoint_of_user(*server, "DROVER_SERVER", environment);
  auto const folder = state_folder(environment);
  if (!folder) return std::unexpected(folder.error());
  return read_server_file(*folder);
}

std::string browser_address(Endpoint const& endpoint) {
  return fmt::format("{}/{}{}", endpoint.url, kTokenMark, endpoint.token.reveal());
}

}  // namespace drover::cli
