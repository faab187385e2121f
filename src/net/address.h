#pragma once
// What kind of network an IP address is in, for requests whose address somebody else chose. Pure.
#include <cstdint>
#include <optional>
#include <string_view>

struct sockaddr;

namespace drover::net {

// Which addresses a client request may connect to.
enum class Reach : std::uint8_t {
  anywhere,
  // Not link-local, unspecified, multicast, and none where clouds serve instance credentials.
  no_metadata,
  // Further, not loopback and no private network.
  public_only,
};

enum class AddressKind : std::uint8_t {
  open,      // the internet at large
  internal,  // loopback, private and shared networks
  metadata,  // link-local, cloud metadata, unspecified, multicast, reserved
};

// An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4) is of that one's kind. What is
// neither IPv4 nor IPv6 is metadata: nothing to connect to.
[[nodiscard]] AddressKind kind_of(sockaddr const& address);
// Of a numeric address as it stands in a URL, with or without brackets; nullopt for a name.
[[nodiscard]] std::optional<AddressKind> kind_of_literal(std::string_view host);
[[nodiscard]] bool may_reach(Reach reach, AddressKind kind);

}  // namespace drover::net
