#include "redis/endpoint.h"

#include <charconv>
#include <optional>

#include "base/text.h"
#include "net/http_types.h"

namespace drover::redis {

namespace {

constexpr int kDatabaseMax = 9999;

std::unexpected<Error> bad_url(std::string_view why) {
  return fail_next(ErrorCode::invalid_argument, fmt::format("the broker's URL {}", why),
                   "write redis://[user:password@]host[:port][/db], rediss://… for TLS, or "
                   "unix:///path");
}

std::optional<int> parse_number(std::string_view text, int most) {
  int value = 0;
  auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || value < 0 || value > most)
    return std::nullopt;
  return value;
}

// What stands before the first `mark`, which is cut off with it; nullopt where there is none.
std::optional<std::string_view> cut_before(std::string_view& text, char mark) {
  auto const at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view const before = text.substr(0, at);
  text.remove_prefix(at + 1);
  return before;
}

Status read_credentials(Endpoint& endpoint, std::string_view text) {
  auto const colon = text.find(':');
  auto const user = net::percent_decode(text.substr(0, colon));
  if (!user) return bad_url("has a user that is not percent-coded");
  endpoint.user = *user;
  if (colon == std::string_view::npos) return {};
  auto password = net::percent_decode(text.substr(colon + 1));
  if (!password) return bad_url("has a password that is not percent-coded");
  endpoint.password = Secret{*std::move(password)};
  return {};
}

Status read_host(Endpoint& endpoint, std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    auto const end = text.find(']');
    if (end == std::string_view::npos) return bad_url("has an address without its ']'");
    endpoint.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && !text.starts_with(':')) return bad_url("has something behind its ']'");
    port = text.empty() ? text : text.substr(1);
  } else {
    auto const colon = text.find(':');
    endpoint.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
  }
  if (endpoint.host.empty()) return bad_url("names no host");
  if (port.empty()) return {};
  auto const number = parse_number(port, 65535);
  if (!number || *number == 0) return bad_url("has a port that is not a number up to 65535");
  endpoint.port = static_cast<std::uint16_t>(*number);
  return {};
}

Status read_database(Endpoint& endpoint, std::string_view text) {
  auto const number = parse_number(text, kDatabaseMax);
  if (!number)
    return bad_url(fmt::format("has a database that is not a number up to {}", kDatabaseMax));
  endpoint.db = *number;
  return {};
}

Status read_query(Endpoint& endpoint, std::string_view query) {
  if (query.empty()) return {};
  for (std::string_view pair : split(query, '&')) {
    auto const name = cut_before(pair, '=');
    if (name == "db") {
      DROVER_TRY(read_database(endpoint, pair));
    } else if (name == "ca_file" && endpoint.transport == Endpoint::Transport::tls) {
      auto path = net::percent_decode(pair);
      if (!path) return bad_url("has a ca_file that is not percent-coded");
      endpoint.ca_file = *std::move(path);
    } else {
      return bad_url("has a query that is neither db= nor, with rediss://, ca_file=");
    }
  }
  return {};
}

}  // namespace

std::string Endpoint::shown() const {
  std::string const database = db == 0 ? std::string{} : fmt::format("/{}", db);
  if (transport == Transport::unix_socket)
    return fmt::format("unix://{}{}", printable(path), db == 0 ? "" : fmt::format("?db={}", db));
  bool const brackets = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}{}", transport == Transport::tls ? "rediss" : "redis",
                     brackets ? "[" : "", printable(host), brackets ? "]" : "", port, database);
}

Result<Endpoint> parse_endpoint(std::string_view url) {
  Endpoint endpoint;
  auto const scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return bad_url("has no scheme");
  std::string_view const scheme = url.substr(0, scheme_end);
  std::string_view rest = url.substr(scheme_end + 3);
  if (scheme == "rediss") endpoint.transport = Endpoint::Transport::tls;
  if (scheme == "unix" || scheme == "redis+socket")
    endpoint.transport = Endpoint::Transport::unix_socket;
  else if (scheme != "redis" && scheme != "rediss")
    return bad_url(
        fmt::format("has the scheme '{}', which drover does not know", printable(scheme, 20)));
  if (rest.find('#') != std::string_view::npos) return bad_url("has a '#'; code it as %23");
  std::string_view query;
  if (auto const mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  auto const slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  std::string_view const path = slash == std::string_view::npos ? "" : rest.substr(slash);
  if (auto const at = authority.rfind('@'); at != std::string_view::npos) {
    DROVER_TRY(read_credentials(endpoint, authority.substr(0, at)));
    authority.remove_prefix(at + 1);
  }
  if (endpoint.transport == Endpoint::Transport::unix_socket) {
    auto decoded = net::percent_decode(path);
    if (!authority.empty() || path.size() < 2 || !decoded)
      return bad_url("names no absolute path of a socket");
    endpoint.path = *std::move(decoded);
  } else {
    DROVER_TRY(read_host(endpoint, authority));
    if (path.size() > 1) DROVER_TRY(read_database(endpoint, path.substr(1)));
  }
  DROVER_TRY(read_query(endpoint, query));
  return endpoint;
}

}  // namespace drover::redis
