// Ways out other than files.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "sandbox/attacker/attacks.h"
#include "sandbox/attacker/say.h"

namespace drover::attacker {

namespace {

int socket_of(int family, int type, int protocol = 0) {
  int const fd = ::socket(family, type, protocol);
  int const error = result(fd);
  if (fd >= 0) ::close(fd);
  return error;
}

int connect_to(char const* address, int port, int type = SOCK_STREAM) {
  sockaddr_storage to{};
  socklen_t size = sizeof(sockaddr_in);
  auto* const four = reinterpret_cast<sockaddr_in*>(&to);
  auto* const six = reinterpret_cast<sockaddr_in6*>(&to);
  to.ss_family = AF_INET;
  four->sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, address, &four->sin_addr) != 1) {
    to.ss_family = AF_INET6;
    six->sin6_port = htons(static_cast<std::uint16_t>(port));
    if (::inet_pton(AF_INET6, address, &six->sin6_addr) != 1) return EINVAL;
    size = sizeof(sockaddr_in6);
  }
  int const fd = ::socket(to.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = result(::connect(fd, reinterpret_cast<sockaddr*>(&to), size));
  // A datagram socket has sent nothing yet.
  if (error == 0 && type == SOCK_DGRAM) error = result(::send(fd, "x", 1, MSG_NOSIGNAL));
  ::close(fd);
  return error;
}

int abstract_socket(std::string const& name) {
  int const fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::strncpy(to.sun_path + 1, name.c_str(), sizeof to.sun_path - 2);
  auto const size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  int const error = result(::connect(fd, reinterpret_cast<sockaddr*>(&to), size));
  ::close(fd);
  return error;
}

}  // namespace

int sockets(Arguments const& arguments) {
  say("netlink", socket_of(AF_NETLINK, SOCK_RAW));
  say("packet", socket_of(AF_PACKET, SOCK_RAW));
  say("vsock", socket_of(40, SOCK_STREAM));
  say("alg", socket_of(38, SOCK_SEQPACKET));
  say("bluetooth", socket_of(31, SOCK_RAW));
  say("raw_ip", socket_of(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  say("raw_ip6", socket_of(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  say("unix", socket_of(AF_UNIX, SOCK_STREAM));
  say("inet", socket_of(AF_INET, SOCK_STREAM));
  say("host_loopback", connect_to("127.0.0.1", std::atoi(arguments[1].c_str())));
  say("abstract", abstract_socket(arguments[0]));
  return 0;
}

int connect_path(Arguments const& arguments) {
  for (auto const& path : arguments) {
    int const fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, path.c_str(), sizeof to.sun_path - 1);
    say(path, result(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to)));
    ::close(fd);
  }
  return 0;
}

// Only in a sandbox: outside it would send.
int reach(Arguments const& /*none*/) {
  if (::getpid() != 1) return 2;
  say("internet", connect_to("8.8.8.8", 443));
  say("dns", connect_to("8.8.8.8", 53, SOCK_DGRAM));
  say("internet6", connect_to("2001:4860:4860::8888", 443));
  say("metadata_aws", connect_to("169.254.169.254", 80));
  say("metadata_aws6", connect_to("fd00:ec2::254", 80));
  say("metadata_alibaba", connect_to("100.100.100.200", 80));
  say("metadata_azure", connect_to("168.63.129.16", 80));
  say("private", connect_to("10.0.0.1", 80));
  say("broadcast", connect_to("255.255.255.255", 67, SOCK_DGRAM));
  return 0;
}

}  // namespace drover::attacker
