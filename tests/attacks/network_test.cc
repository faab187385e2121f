// Ways out: addresses, sockets of the host, protocols that no agent needs.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "attacks/row.h"
#include "os/fd.h"

namespace drover::attacks {
namespace {

class Network : public AttackTest {};
ATTACKS_ON_EVERY_TARGET(Network);

Attack attacker(std::vector<std::string> arguments) {
  Attack attack;
  attack.arguments = std::move(arguments);
  return attack;
}

// Listening sockets of the host: at an abstract name, a loopback port and a path.
struct Listeners {
  TemporaryFolder folder;
  os::Fd abstract{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  os::Fd tcp{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  os::Fd path{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string abstract_name = "drover-attacks-" + std::to_string(::getpid());
  std::string path_name = folder / "server.sock";
  unsigned port = 0;

  Listeners() {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    std::ranges::copy(abstract_name, local.sun_path + 1);
    auto const size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + abstract_name.size());
    EXPECT_EQ(0, ::bind(abstract.get(), reinterpret_cast<sockaddr*>(&local), size));
    EXPECT_EQ(0, ::listen(abstract.get(), 8));
    sockaddr_un named{};
    named.sun_family = AF_UNIX;
    std::ranges::copy(path_name, named.sun_path);
    EXPECT_EQ(0, ::bind(path.get(), reinterpret_cast<sockaddr*>(&named), sizeof named));
    EXPECT_EQ(0, ::listen(path.get(), 8));
    sockaddr_in loopback{};
    loopback.sin_family = AF_INET;
    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, ::bind(tcp.get(), reinterpret_cast<sockaddr*>(&loopback), sizeof loopback));
    EXPECT_EQ(0, ::listen(tcp.get(), 8));
    socklen_t length = sizeof loopback;
    EXPECT_EQ(0, ::getsockname(tcp.get(), reinterpret_cast<sockaddr*>(&loopback), &length));
    port = ntohs(loopback.sin_port);
  }

  int arrived() const {
    int count = 0;
    pollfd entry{.fd = tcp.get(), .events = POLLIN, .revents = 0};
    while (::poll(&entry, 1, 100) > 0) {
      os::Fd const peer{::accept(tcp.get(), nullptr, nullptr)};
      ++count;
    }
    return count;
  }
};

TEST_P(Network, A12NothingIsReachedAndNoOtherProtocolIsThere) {
  Row row{"A12", name(), "DNS, UDP, ICMP, IPv6, netlink, packet, vsock"};
  Listeners const listeners;
  auto const port = std::to_string(listeners.port);
  auto const seen = target().run(attacker({"sockets", listeners.abstract_name, port}));
  for (std::string const family : {"netlink", "packet", "vsock", "alg", "bluetooth"})
    row.expect(family, seen.of(family), {"EAFNOSUPPORT"});
  for (std::string const raw : {"raw_ip", "raw_ip6"})
    row.expect(raw, seen.of(raw), {"EPERM"});
  // Its own loopback, where nobody listens.
  row.expect("the host's loopback", seen.of("host_loopback"), {"EINPROGRESS", "ECONNREFUSED"});
  row.holds("nothing arrived at the host's loopback", listeners.arrived() == 0);
  auto const far = target().run(attacker({"reach"}));
  for (std::string const address : {"internet", "dns", "internet6", "private", "broadcast"})
    row.expect(address, far.of(address), {"ENETUNREACH", "EACCES"});
  row.control("unix and inet sockets are there", seen.of("unix") == "ok" && seen.of("inet") == "ok",
              seen.output);
  auto const here = run_outside({"sockets", listeners.abstract_name, port});
  row.control("outside netlink is there, and the loopback answers",
              here.of("netlink") == "ok" && listeners.arrived() == 1, here.output);
}

TEST_P(Network, A13MetadataServicesAreUnreachable) {
  Row row{"A13", name(), "cloud metadata addresses"};
  auto const seen = target().run(attacker({"reach"}));
  for (std::string const address :
       {"metadata_aws", "metadata_aws6", "metadata_alibaba", "metadata_azure"})
    row.expect(address, seen.of(address), {"ENETUNREACH"});
  // The same call reaches what there is: its own loopback has nobody, but has a route.
  auto const own = target().run(attacker({"sockets", "none", "1"}));
  row.control("its own loopback has a route",
              own.of("host_loopback") == "EINPROGRESS" || own.of("host_loopback") == "ECONNREFUSED",
              own.output);
}

TEST_P(Network, A17SocketsOfTheHostAreUnreachable) {
  Row row{"A17", name(), "abstract and named sockets, docker.sock, D-Bus, containerd"};
  Listeners const listeners;
  std::vector<std::string> const paths = {listeners.path_name,
                                          "/var/run/docker.sock",
                                          "/run/docker.sock",
                                          "/run/dbus/system_bus_socket",
                                          "/run/containerd/containerd.sock",
                                          "/run/systemd/notify"};
  Attack attack = attacker({"connect-path"});
  attack.arguments.insert(attack.arguments.end(), paths.begin(), paths.end());
  auto const seen = target().run(attack);
  for (auto const& path : paths)
    row.expect(path, seen.of(path), {"ENOENT"});
  auto const abstract = target().run(attacker({"sockets", listeners.abstract_name, "1"}));
  row.expect("an abstract socket", abstract.of("abstract"), {"ECONNREFUSED", "EPERM"});
  auto const here = run_outside({"sockets", listeners.abstract_name, "1"});
  row.control(
      "outside both answer",
      here.of("abstract") == "ok" &&
          run_outside({"connect-path", listeners.path_name}).of(listeners.path_name) == "ok");
  // The one way out: a socket of the server in a read-only folder.
  ASSERT_EQ(0, ::chmod(listeners.path_name.c_str(), 0600));
  ASSERT_EQ(0, ::chmod(listeners.folder.path().c_str(), 0700));
  Attack own = attacker({"connect-path", "/run/drover/server.sock"});
  own.folders = {{listeners.folder.path(), "/run/drover", Access::ro}};
  row.control("a mounted one answers", target().run(own).of("/run/drover/server.sock") == "ok");
  Attack replace;
  replace.script =
      "rm -f /run/drover/server.sock; mv /run/drover/server.sock /run/drover/y; ls /run/drover";
  replace.folders = own.folders;
  auto const left = target().run(replace).output;
  row.holds("it cannot be replaced", left.ends_with("\nserver.sock\n"), left);
}

}  // namespace
}  // namespace drover::attacks
