#include "gateway/egress_policy.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/text.h"
#include "net/address.h"

namespace drover::gateway {

namespace {

constexpr std::size_t kHostBytesMax = 253;
constexpr int kV4Bits = 96;  // of the prefix that maps IPv4

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > kHostBytesMax) return false;
  // A name of digits and dots alone would be an address to some resolvers ("127.1", "2130706433").
  std::string_view const last = name.substr(name.rfind('.') + 1);
  bool const number =
      last.empty() || std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
  if (number || last.starts_with("0x")) return false;
  for (std::string_view const label : split(name, '.')) {
    bool const fine = std::ranges::all_of(label, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
    if (label.empty() || label.size() > 63 || !fine || label.front() == '-') return false;
  }
  return true;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (out.ends_with('.')) out.pop_back();
  return out;
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

struct HostAndPort {
  std::string_view host;  // without brackets
  std::string_view port;  // empty: none
  bool bracketed = false;
};

// An IPv6 address without brackets has colons and no port.
std::optional<HostAndPort> split_port(std::string_view text) {
  if (text.starts_with('[')) {
    auto const close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    std::string_view const rest = text.substr(close + 1);
    if (!rest.empty() && (rest.size() < 2 || rest.front() != ':')) return std::nullopt;
    return HostAndPort{text.substr(1, close - 1), rest.empty() ? rest : rest.substr(1), true};
  }
  auto const colon = text.find(':');
  if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos)
    return HostAndPort{text, {}, false};
  if (colon + 1 == text.size()) return std::nullopt;
  return HostAndPort{text.substr(0, colon), text.substr(colon + 1), false};
}

net::AddressKind kind_of(IpBytes const& address) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  std::memcpy(&in.sin6_addr, address.data(), address.size());
  return net::kind_of(reinterpret_cast<sockaddr const&>(in));
}

bool within(IpBytes const& address, IpBytes const& network, int bits) {
  for (int i = 0; i < 16 && bits > 0; ++i, bits -= 8) {
    auto const mask = static_cast<std::uint8_t>(bits >= 8 ? 0xff : 0xff << (8 - bits));
    auto const at = static_cast<std::size_t>(i);
    if ((address[at] & mask) != (network[at] & mask)) return false;
  }
  return true;
}

}  // namespace

std::optional<IpBytes> parse_ip(std::string_view text) {
  std::string const copy{text};
  IpBytes bytes{};
  in_addr four{};
  if (::inet_pton(AF_INET, copy.c_str(), &four) == 1 && copy.size() == std::strlen(copy.c_str())) {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(bytes.data() + 12, &four, 4);
    return bytes;
  }
  if (::inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1 &&
      copy.size() == std::strlen(copy.c_str()))
    return bytes;
  return std::nullopt;
}

std::string print_ip(IpBytes const& address) {
  constexpr IpBytes kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (within(address, kMapped, kV4Bits)) {
    ::inet_ntop(AF_INET, address.data() + 12, text.data(), text.size());
  } else {
    ::inet_ntop(AF_INET6, address.data(), text.data(), text.size());
  }
  return text.data();
}

Result<EgressTarget> parse_egress_target(std::string_view text) {
  auto const refuse = [&] {
    return fail(ErrorCode::invalid_argument, "'{}' is no host with a port to connect to",
                printable(text, 120));
  };
  auto const parts = split_port(text);
  if (!parts) return refuse();
  auto const port = port_of(parts->port);
  if (!port) return refuse();
  EgressTarget target;
  target.port = *port;
  target.address = parse_ip(parts->host);
  if (target.address) {
    target.host = print_ip(*target.address);
    return target;
  }
  target.host = lower(parts->host);
  if (parts->bracketed || !is_host_name(target.host)) return refuse();
  return target;
}

Result<EgressPolicy::Rule> EgressPolicy::parse_rule(std::string_view entry) {
  auto const refuse = [&](std::string_view why) {
    return fail(ErrorCode::invalid_argument, "egress: '{}' {}", printable(entry, 120), why);
  };
  Rule rule;
  auto const parts = split_port(entry);
  if (!parts) return refuse("is no host with a port");
  if (!parts->port.empty()) {
    auto const port = port_of(parts->port);
    if (!port) return refuse("has no port from 1 to 65535");
    rule.port = *port;
  }
  std::string_view host = parts->host;
  auto const slash = host.find('/');
  auto const address = parse_ip(host.substr(0, slash));
  if (address) {
    rule.kind = Rule::Kind::network;
    rule.network = *address;
    bool const v4 = !host.substr(0, slash).contains(':');
    if (slash == std::string_view::npos) return rule;
    int bits = -1;
    std::string_view const length = host.substr(slash + 1);
    auto const [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
    bool const fits = error == std::errc{} && end == length.data() + length.size() && bits >= 0 &&
                      bits <= (v4 ? 32 : 128);
    if (!fits) return refuse("is no network");
    rule.bits = v4 ? bits + kV4Bits : bits;
    return rule;
  }
  if (host.starts_with("*.")) {
    rule.kind = Rule::Kind::subdomains;
    host.remove_prefix(2);
  }
  std::string const name = lower(host);
  if (parts->bracketed || !is_host_name(name)) return refuse("is no name, address or network");
  rule.name = rule.kind == Rule::Kind::subdomains ? "." + name : name;
  return rule;
}

Result<EgressPolicy> EgressPolicy::parse(std::vector<std::string> const& entries) {
  EgressPolicy policy;
  for (std::string const& entry : entries) {
    auto rule = parse_rule(entry);
    if (!rule) return std::unexpected(rule.error());
    policy.rules_.push_back(*std::move(rule));
  }
  return policy;
}

bool EgressPolicy::has_port(Rule const& rule, std::uint16_t port) {
  return rule.port == 0 ? port == 443 || port == 80 : rule.port == port;
}

EgressPolicy::Rule const* EgressPolicy::network_of(IpBytes const& address,
                                                   std::uint16_t port) const {
  Rule const* best = nullptr;
  for (Rule const& rule : rules_) {
    if (rule.kind != Rule::Kind::network || !has_port(rule, port)) continue;
    bool const closer = best == nullptr || rule.bits > best->bits;
    if (closer && within(address, rule.network, rule.bits)) best = &rule;
  }
  return best;
}

bool EgressPolicy::names(EgressTarget const& target) const {
  return std::ranges::any_of(rules_, [&](Rule const& rule) {
    if (!has_port(rule, target.port) || target.address) return false;
    if (rule.kind == Rule::Kind::name) return rule.name == target.host;
    return rule.kind == Rule::Kind::subdomains &&
           (target.host.ends_with(rule.name) || rule.name.substr(1) == target.host);
  });
}

Status EgressPolicy::may_ask(EgressTarget const& target) const {
  bool const known =
      target.address ? network_of(*target.address, target.port) != nullptr : names(target);
  if (known) return {};
  return fail_next(ErrorCode::forbidden,
                   fmt::format("{}:{} is not among the hosts that this agent may connect to",
                               target.host, target.port),
                   "add it to the agent's egress");
}

Status EgressPolicy::may_connect(EgressTarget const& target, IpBytes const& address) const {
  DROVER_TRY(may_ask(target));
  Rule const* const network = network_of(address, target.port);
  net::AddressKind const kind = gateway::kind_of(address);
  bool const allowed = kind == net::AddressKind::open ? network != nullptr || !target.address
                       : kind == net::AddressKind::internal
                           ? network != nullptr
                           : network != nullptr && network->bits == 128;
  if (allowed) return {};
  return fail_next(ErrorCode::forbidden,
                   fmt::format("{} is at {}, which is {}", target.host, print_ip(address),
                               kind == net::AddressKind::internal
                                   ? "in a private network or on the server's machine"
                                   : "link-local, cloud metadata or reserved"),
                   "name the address itself in the agent's egress if it is meant");
}

}  // namespace drover::gateway
