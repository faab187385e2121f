#pragma once
// Which hosts a unit may connect to: the allow-list of its agent. Pure.
//
// An entry is a name ("example.org"), a name with its subdomains ("*.example.org"), an address
// ("10.1.2.3", "[fd00::1]") or a network ("10.0.0.0/8", "fd00::/8"), each with a port
// ("example.org:8443") or for 443 and 80. A name allows only addresses of the open internet:
// private networks, loopback and the like have to be named as an address or a network, whatever
// name leads to them, and cloud metadata and link-local as an address.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover::gateway {

// An IPv4 address is there as IPv6 maps it (::ffff:0:0/96), so that both spellings are one.
using IpBytes = std::array<std::uint8_t, 16>;

// Of an address without brackets; nullopt for a name. Only the strict spellings: "127.1" and
// "0x7f.1" are none.
[[nodiscard]] std::optional<IpBytes> parse_ip(std::string_view text);
[[nodiscard]] std::string print_ip(IpBytes const& address);

// "example.org:443", "[::1]:8080"; the name in small letters, without a dot at its end.
struct EgressTarget {
  std::string host;
  std::uint16_t port = 0;
  std::optional<IpBytes> address;  // where the host is one
};
// invalid_argument where it is no authority of a CONNECT.
[[nodiscard]] Result<EgressTarget> parse_egress_target(std::string_view text);

class EgressPolicy {
 public:
  // invalid_argument names the entry.
  [[nodiscard]] static Result<EgressPolicy> parse(std::vector<std::string> const& entries);

  [[nodiscard]] bool empty() const { return rules_.empty(); }
  // Before anything is resolved: forbidden where no entry has the target.
  [[nodiscard]] Status may_ask(EgressTarget const& target) const;
  // Of an address that the target was resolved to: forbidden says what it is.
  [[nodiscard]] Status may_connect(EgressTarget const& target, IpBytes const& address) const;

 private:
  struct Rule {
    enum class Kind : std::uint8_t { name, subdomains, network };
    Kind kind = Kind::name;
    std::string name;  // for subdomains with its dot: ".example.org"
    IpBytes network{};
    int bits = 128;          // of the network
    std::uint16_t port = 0;  // 0: 443 and 80
  };
  [[nodiscard]] static Result<Rule> parse_rule(std::string_view entry);
  [[nodiscard]] static bool has_port(Rule const& rule, std::uint16_t port);
  [[nodiscard]] Rule const* network_of(IpBytes const& address, std::uint16_t port) const;
  [[nodiscard]] bool names(EgressTarget const& target) const;

  std::vector<Rule> rules_;
};

}  // namespace drover::gateway
