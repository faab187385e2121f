#include "net/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "base/text.h"
#include "net/unix_address.h"

namespace drover::net {
namespace {

constexpr int kBacklog = 1024;

std::unexpected<Error> bind_failed(int error, std::string const& host, std::uint16_t port) {
  if (error == EADDRINUSE) {
    return fail_next(
        ErrorCode::conflict, fmt::format("port {} on {} is already in use", port, host),
        fmt::format(
            "choose another port, or stop the program that holds it: ss -ltnp 'sport = :{}'",
            port));
  }
  if (error == EACCES) {
    return fail_next(ErrorCode::forbidden,
                     fmt::format("may not listen on port {} of {}", port, host),
                     "choose a port above 1023");
  }
  if (error == EADDRNOTAVAIL) {
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("{} is not an address of this machine", host),
                     "listen on 127.0.0.1, or on an address that `ip addr` shows");
  }
  return std::unexpected(system_error(error, "listen on", fmt::format("{}:{}", host, port)));
}

Result<std::uint16_t> port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return fail_errno("read the address of", "a listening socket");
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<sockaddr_in6 const*>(&address)->sin6_port);
  return ntohs(reinterpret_cast<sockaddr_in const*>(&address)->sin_port);
}

// A socket file that nobody serves is left from a server that died.
Status clear_stale_socket(std::string const& path, UnixAddress const& address) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) {
    return fail_next(ErrorCode::conflict,
                     fmt::format("'{}' exists and is not a socket", printable(path)),
                     "move it away, or choose another path");
  }
  os::Fd const probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!probe.valid()) return fail_errno("open a socket for", path);
  bool const refused =
      ::connect(probe.get(), address.get(), address.size()) != 0 && errno == ECONNREFUSED;
  if (!refused) {
    return fail_next(ErrorCode::conflict,
                     fmt::format("another program serves '{}'", printable(path)),
                     "stop it, or choose another path");
  }
  if (::unlink(path.c_str()) != 0) return fail_errno("remove the stale socket", path);
  return {};
}

}  // namespace

Result<TcpListener> open_tcp_listener(std::string const& host, std::uint16_t port) {
  std::string const numeric = host == "localhost" ? "127.0.0.1" : host;
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(numeric.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("'{}' is not a numeric address to listen on", printable(host)),
                     "use 127.0.0.1, ::1 or another address of this machine");
  }
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> const address{found, &::freeaddrinfo};
  os::Fd fd{::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd.valid()) return fail_errno("open a socket for", host);
  int const on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return bind_failed(errno, host, port);
  }
  auto const bound = port_of(fd.get());
  if (!bound) return std::unexpected(bound.error());
  return TcpListener{std::move(fd), *bound};
}

Result<UnixListener> UnixListener::open(std::string const& path, mode_t mode) {
  auto const address = UnixAddress::of(path);
  if (!address) return std::unexpected(address.error());
  DROVER_TRY(clear_stale_socket(path, *address));
  UnixListener listener;
  listener.fd = os::Fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!listener.fd.valid()) return fail_errno("open a socket for", path);
  if (::bind(listener.fd.get(), address->get(), address->size()) != 0)
    return fail_errno("bind the socket", path);
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return fail_errno("look at the socket", path);
  listener.path_ = path;
  listener.device_ = info.st_dev;
  listener.inode_ = info.st_ino;
  // The mode before listen(): until then nobody can connect, whatever the umask left open.
  if (::chmod(path.c_str(), mode) != 0) return fail_errno("set the mode of", path);
  if (::listen(listener.fd.get(), kBacklog) != 0) return fail_errno("listen on", path);
  return listener;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : fd(std::move(other.fd)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  if (this == &other) return *this;
  remove_file();
  fd = std::move(other.fd);
  path_ = std::exchange(other.path_, {});
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

void UnixListener::remove_file() {
  if (path_.empty()) return;
  struct stat info{};
  bool const ours =
      ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
  if (ours) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace drover::net
