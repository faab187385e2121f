#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>

namespace drover::net {

namespace {

struct V4Network {
  std::uint32_t address;
  int bits;
  AddressKind kind;
};

constexpr std::uint32_t v4(unsigned a, unsigned b, unsigned c, unsigned d) {
  return a << 24U | b << 16U | c << 8U | d;
}

// The first that fits counts. IANA's special-purpose registry, and the addresses at which clouds
// serve metadata outside the link-local network (Alibaba, Oracle).
constexpr std::array<V4Network, 17> kV4Networks = {{
    {v4(100, 100, 100, 200), 32, AddressKind::metadata},
    {v4(192, 0, 0, 0), 24, AddressKind::metadata},
    {v4(169, 254, 0, 0), 16, AddressKind::metadata},
    {v4(0, 0, 0, 0), 8, AddressKind::metadata},
    {v4(224, 0, 0, 0), 3, AddressKind::metadata},
    {v4(168, 63, 129, 16), 32, AddressKind::metadata},
    {v4(127, 0, 0, 0), 8, AddressKind::internal},
    {v4(10, 0, 0, 0), 8, AddressKind::internal},
    {v4(172, 16, 0, 0), 12, AddressKind::internal},
    {v4(192, 168, 0, 0), 16, AddressKind::internal},
    {v4(100, 64, 0, 0), 10, AddressKind::internal},
    {v4(198, 18, 0, 0), 15, AddressKind::internal},
    {v4(192, 0, 2, 0), 24, AddressKind::internal},
    {v4(198, 51, 100, 0), 24, AddressKind::internal},
    {v4(203, 0, 113, 0), 24, AddressKind::internal},
    {v4(192, 88, 99, 0), 24, AddressKind::internal},
    {v4(0, 0, 0, 0), 0, AddressKind::open},
}};

AddressKind kind_of_v4(std::uint32_t address) {
  for (auto const& network : kV4Networks) {
    std::uint32_t const mask = network.bits == 0 ? 0 : ~std::uint32_t{0} << (32 - network.bits);
    if ((address & mask) == network.address) return network.kind;
  }
  return AddressKind::open;
}

using V6 = std::array<std::uint8_t, 16>;

bool begins(V6 const& address, std::initializer_list<std::uint8_t> prefix) {
  return std::ranges::equal(prefix, std::span{address}.first(prefix.size()));
}

AddressKind kind_of_v4_at(V6 const& address, std::size_t offset) {
  return kind_of_v4(
      v4(address[offset], address[offset + 1], address[offset + 2], address[offset + 3]));
}

AddressKind kind_of_v6(V6 const& address) {
  constexpr V6 kLoopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr V6 kAwsMetadata = {0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54};
  if (address == kLoopback) return AddressKind::internal;
  if (address == kAwsMetadata) return AddressKind::metadata;
  if (begins(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}))
    return kind_of_v4_at(address, 12);
  if (begins(address, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}))
    return kind_of_v4_at(address, 12);
  if (begins(address, {0x20, 0x02})) return kind_of_v4_at(address, 2);
  if ((address[0] & 0xfeU) == 0xfc) return AddressKind::internal;  // unique local
  // Everything that is routed in the open is in 2000::/3; 2001::/23 is for protocols (Teredo).
  if ((address[0] & 0xe0U) != 0x20) return AddressKind::metadata;
  if (begins(address, {0x20, 0x01}) && address[2] < 2) return AddressKind::metadata;
  return AddressKind::open;
}

}  // namespace

AddressKind kind_of(sockaddr const& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    return kind_of_v4(ntohl(in.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    V6 bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return kind_of_v6(bytes);
  }
  return AddressKind::metadata;
}

std::optional<AddressKind> kind_of_literal(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::string const text{host};
  in_addr four{};
  if (::inet_pton(AF_INET, text.c_str(), &four) == 1) return kind_of_v4(ntohl(four.s_addr));
  V6 six{};
  if (::inet_pton(AF_INET6, text.c_str(), six.data()) == 1) return kind_of_v6(six);
  return std::nullopt;
}

bool may_reach(Reach reach, AddressKind kind) {
  switch (reach) {
    case Reach::anywhere:
      return true;
    case Reach::no_metadata:
      return kind != AddressKind::metadata;
    case Reach::public_only:
      return kind == AddressKind::open;
  }
  return false;
}

}  // namespace drover::net
