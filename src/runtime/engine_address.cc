#include "runtime/engine_address.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace drover::runtime {

namespace {

std::unexpected<Error> refuse(std::string_view host, std::string_view why) {
  return fail_next(
      ErrorCode::invalid_argument,
      fmt::format("'{}' is no address of a container engine: {}", printable(host), why),
      "set DROVER_DOCKER_HOST to unix:///path/to/docker.sock or tcp://host:port");
}

// `host:port`, or `[address]:port`.
bool is_authority(std::string_view text) {
  auto const colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  auto const port = text.substr(colon + 1);
  bool const number = !port.empty() && port.size() <= 5 &&
                      std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
  return number && text.substr(0, colon).find_first_of("/?#@ ") == std::string_view::npos;
}

bool is_this_machine(std::string_view authority) {
  auto const name = authority.substr(0, authority.rfind(':'));
  return name == "localhost" || name == "127.0.0.1" || name == "[::1]";
}

}  // namespace

Result<EngineAddress> parse_engine_address(std::string_view host, std::string_view certificates) {
  EngineAddress address;
  address.text = std::string{host};
  constexpr std::string_view kUnix = "unix://";
  if (host.starts_with(kUnix)) {
    address.unix_socket = std::string{host.substr(kUnix.size())};
    if (!address.unix_socket.starts_with('/'))
      return refuse(host, "the path of its socket is not absolute");
    address.url = "http://engine";
    return address;
  }
  bool tls = !certificates.empty();
  std::string_view rest;
  for (std::string_view const scheme : {"tcp://", "http://", "https://"}) {
    if (!host.starts_with(scheme)) continue;
    rest = host.substr(scheme.size());
    tls = tls || scheme == "https://";
  }
  if (rest.empty()) return refuse(host, "it begins with neither unix:// nor tcp://");
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (!is_authority(rest)) return refuse(host, "it names no host and port");
  if (!tls && !is_this_machine(rest))
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("the container engine {} would be spoken to without TLS, and "
                                 "whoever speaks to an engine is root on its machine",
                                 printable(host)),
                     "set DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem");
  address.url = fmt::format("{}://{}", tls ? "https" : "http", rest);
  if (!certificates.empty()) {
    address.ca_file = fmt::format("{}/ca.pem", certificates);
    address.certificate_file = fmt::format("{}/cert.pem", certificates);
    address.key_file = fmt::format("{}/key.pem", certificates);
  }
  return address;
}

}  // namespace drover::runtime
