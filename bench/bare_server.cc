#include "bare_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "machine.h"

namespace drover::bench {

namespace {

struct Order {
  int events = 0;
  std::int64_t pace_us = 0;
};

constexpr std::string_view kHead =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

// As the real server frames it, to the byte or nearly so.
std::string frame_of(int number) {
  std::string const event = fmt::format(
      "id: {}\nevent: message-delta\ndata: {{\"seq\":{},\"at\":\"2026-01-01T00:00:00.000Z\","
      "\"text\":\"The quick brown fox jumps over the lazy dog, again.\",\"t\":{}}}\n\n",
      number, number, monotonic_ns());
  return fmt::format("{:x}\r\n{}\r\n", event.size(), event);
}

bool accept_all(int listening, int readers, std::vector<int>& sockets) {
  for (int i = 0; i < readers; ++i) {
    int const socket = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return false;
    int const on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    char request[1024];
    if (::recv(socket, request, sizeof request, 0) <= 0) return false;
    if (::send(socket, kHead.data(), kHead.size(), MSG_NOSIGNAL) < 0) return false;
    sockets.push_back(socket);
  }
  return true;
}

[[noreturn]] void run_child(int listening, int orders, int readers, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  std::vector<int> sockets;
  if (!accept_all(listening, readers, sockets)) ::_exit(1);
  int number = 0;
  for (Order order; ::read(orders, &order, sizeof order) == sizeof order;) {
    auto due = std::chrono::steady_clock::now();
    for (int i = 0; i < order.events; ++i) {
      due += std::chrono::microseconds{order.pace_us};
      std::this_thread::sleep_until(due);
      std::string const frame = frame_of(++number);
      for (int const socket : sockets)
        if (::send(socket, frame.data(), frame.size(), MSG_NOSIGNAL) < 0) ::_exit(1);
    }
  }
  ::_exit(0);
}

}  // namespace

Result<BareServer> BareServer::start(int readers) {
  os::Fd const listening{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const plain = reinterpret_cast<sockaddr*>(&address);
  if (!listening.valid() || ::bind(listening.get(), plain, size) != 0 ||
      ::listen(listening.get(), SOMAXCONN) != 0 ||
      ::getsockname(listening.get(), plain, &size) != 0)
    return fail_errno("listen for", "the bare server");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe for", "the bare server");
  os::Fd const reading{ends[0]};
  os::Fd writing{ends[1]};
  pid_t const parent = ::getpid();
  pid_t const pid = ::fork();
  if (pid < 0) return fail_errno("fork", "the bare server");
  if (pid == 0) run_child(listening.get(), reading.get(), readers, parent);
  return BareServer{pid, ntohs(address.sin_port), std::move(writing)};
}

BareServer::BareServer(BareServer&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), port_(other.port_), orders_(std::move(other.orders_)) {}

BareServer::~BareServer() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Status BareServer::send(int events, Micros pace) {
  Order const order{events, pace.count()};
  if (::write(orders_.get(), &order, sizeof order) != sizeof order)
    return fail_errno("give work to", "the bare server");
  return {};
}

}  // namespace drover::bench
