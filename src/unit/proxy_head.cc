#include "unit/proxy_head.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace drover::unit {

namespace {

constexpr std::string_view kScheme = "http://";

bool is_dropped(std::string_view name) {
  constexpr std::array<std::string_view, 4> kDropped = {"connection", "proxy-connection",
                                                        "proxy-authorization", "keep-alive"};
  for (std::string_view const dropped : kDropped)
    if (iequals(name, dropped)) return true;
  return false;
}

std::unexpected<Error> refuse() {
  return fail(ErrorCode::invalid_argument,
              "the proxy takes CONNECT and http:// addresses of HTTP/1.1");
}

// The header lines but those between a client and its proxy.
std::string headers_of(std::string_view lines) {
  std::string out;
  while (!lines.empty()) {
    std::string_view const line = lines.substr(0, lines.find("\r\n"));
    lines.remove_prefix(std::min(lines.size(), line.size() + 2));
    if (!is_dropped(line.substr(0, line.find(':')))) out.append(line).append("\r\n");
  }
  return out;
}

}  // namespace

Result<std::optional<ProxyHead>> read_proxy_head(std::string_view bytes) {
  auto const end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() <= kProxyHeadBytesMax) return std::nullopt;
    return fail(ErrorCode::too_large, "the request's head is larger than {} bytes",
                kProxyHeadBytesMax);
  }
  std::string_view const head = bytes.substr(0, end);
  std::string_view const line = head.substr(0, head.find("\r\n"));
  auto const words = split(line, ' ');
  if (words.size() != 3 || !words[2].starts_with("HTTP/1.")) return refuse();
  for (char const c : line)
    if (c < ' ' || c == 0x7f) return refuse();
  ProxyHead out;
  out.size = end + 4;
  if (words[0] == "CONNECT") {
    out.target = words[1];
    return out;
  }
  std::string_view url = words[1];
  if (!url.starts_with(kScheme)) return refuse();
  url.remove_prefix(kScheme.size());
  std::string_view const host = url.substr(0, url.find_first_of("/?#"));
  url.remove_prefix(host.size());
  if (host.empty() || host.contains('@')) return refuse();
  // An IPv6 address has its colons in brackets.
  std::string_view const behind =
      host.substr(host.find(']') == std::string_view::npos ? 0 : host.find(']'));
  bool const has_port = behind.contains(':');
  out.target = std::string{host} + (has_port ? "" : ":80");
  std::string path{url.substr(0, url.find('#'))};
  if (!path.starts_with('/')) path.insert(0, "/");
  out.forward = std::string{words[0]} + " " + path + " HTTP/1.1\r\n" +
                headers_of(head.substr(std::min(head.size(), line.size() + 2))) +
                "Connection: close\r\n\r\n";
  return out;
}

}  // namespace drover::unit
