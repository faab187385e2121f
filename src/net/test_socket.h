#pragma once
// For tests: a raw client and a raw one-script server, to say on the wire what no client would.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "net/listener.h"
#include "net/unix_address.h"
#include "os/fd.h"
#include "os/files.h"

namespace drover::net {

class RawSocket {
 public:
  explicit RawSocket(os::Fd fd) : fd_(std::move(fd)) {}
  [[nodiscard]] static RawSocket to_port(std::uint16_t port) {
    os::Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
    return RawSocket{std::move(fd)};
  }

  bool send(std::string_view bytes) {
    return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // Reads until `text` has come, the peer closes, or the time is over; gives all that came.
  std::string read_until(std::string_view text, int wait_ms = 5000) {
    std::string seen;
    while (text.empty() || seen.find(text) == std::string::npos) {
      pollfd entry{fd_.get(), POLLIN, 0};
      if (::poll(&entry, 1, wait_ms) <= 0) break;
      char buffer[4096];
      ssize_t const n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (n <= 0) break;
      seen.append(buffer, static_cast<std::size_t>(n));
    }
    return seen;
  }
  std::string read_to_end(int wait_ms = 5000) { return read_until("", wait_ms); }
  void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  [[nodiscard]] bool valid() const { return fd_.valid(); }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  os::Fd fd_;
};

// Accepts one connection after the other on its thread and plays a script on each.
class RawServer {
 public:
  using Script = std::function<void(RawSocket&, int connection)>;
  explicit RawServer(Script script) : tcp_(open_tcp_listener("127.0.0.1", 0).value()) {
    start(tcp_.fd.get(), std::move(script));
  }
  RawServer(std::string const& path, Script script)
      : unix_(UnixListener::open(path, 0600).value()) {
    start(unix_.fd.get(), std::move(script));
  }
  ~RawServer() {
    stop_.request_stop();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return tcp_.port; }

 private:
  void start(int listener, Script script) {
    thread_ = std::thread{[this, listener, script = std::move(script)] {
      int connection = 0;
      while (!stop_.stop_requested()) {
        pollfd entry{listener, POLLIN, 0};
        if (::poll(&entry, 1, 20) <= 0) continue;
        RawSocket client{os::Fd{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)}};
        if (client.valid()) script(client, connection++);
      }
    }};
  }
  TcpListener tcp_;
  UnixListener unix_;
  std::stop_source stop_;
  std::thread thread_;
};

// A folder under /tmp that goes with the object.
class TestFolder {
 public:
  TestFolder() {
    char path[] = "/tmp/drover-net-test-XXXXXX";
    path_ = ::mkdtemp(path);
  }
  ~TestFolder() { static_cast<void>(os::remove_tree(path_)); }
  TestFolder(TestFolder const&) = delete;
  TestFolder& operator=(TestFolder const&) = delete;
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string{name};
  }

 private:
  std::string path_;
};

}  // namespace drover::net
