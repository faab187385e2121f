#include "unit/egress_relay.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "os/fd.h"
#include "unit/proxy_head.h"

namespace drover::unit {

namespace {

constexpr std::size_t kHeldBytesMax = std::size_t{64} << 10U;

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

// Bytes on their way in one direction.
struct Way {
  std::string held;
  bool ended = false;   // nothing more comes
  bool closed = false;  // and whoever it goes to knows
};

// One client. First its head is read, then the gateway is asked and its answer awaited where the
// client is not to see it, then bytes pass both ways.
class Client {
 public:
  Client(os::Fd socket, Endpoint const& endpoint)
      : inside_(std::move(socket)), endpoint_(&endpoint) {}

  [[nodiscard]] bool over() const {
    return broken_ || (up_.closed && down_.closed) || (stage_ == Stage::refused && down_.closed);
  }
  // A descriptor that nothing is awaited of is left out: its end would wake poll() for ever.
  [[nodiscard]] pollfd inside() const {
    if (up_.ended && down_.held.empty()) return {-1, 0, 0};
    short events = 0;
    if (!up_.ended && up_.held.size() < kHeldBytesMax && stage_ != Stage::refused) events |= POLLIN;
    if (!down_.held.empty() && stage_ != Stage::asked) events |= POLLOUT;
    if (events == 0) return {-1, 0, 0};
    return {inside_.get(), events, 0};
  }
  [[nodiscard]] pollfd outside() const {
    if (!outside_.valid() || (down_.ended && up_.held.empty())) return {-1, 0, 0};
    short events = 0;
    if (!down_.ended && down_.held.size() < kHeldBytesMax) events |= POLLIN;
    if (!up_.held.empty()) events |= POLLOUT;
    if (events == 0) return {-1, 0, 0};
    return {outside_.get(), events, 0};
  }

  void move(short inside, short outside) {
    if ((inside & (POLLIN | POLLHUP | POLLERR)) != 0 && !up_.ended) receive(inside_.get(), up_);
    if ((outside & (POLLIN | POLLHUP | POLLERR)) != 0 && !down_.ended)
      receive(outside_.get(), down_);
    if (stage_ == Stage::head) read_head();
    if (stage_ == Stage::asked) read_answer();
    if (outside_.valid()) send(outside_.get(), up_);
    if (stage_ != Stage::asked) send(inside_.get(), down_);
  }

 private:
  enum class Stage : std::uint8_t {
    head,
    asked,  // the gateway, whose answer stays here
    passing,
    refused,  // by this proxy: what is held is the answer
  };

  void receive(int fd, Way& way) {
    std::array<char, 16384> buffer{};
    ssize_t const size = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size > 0) way.held.append(buffer.data(), static_cast<std::size_t>(size));
    if (size == 0) way.ended = true;
    if (size < 0 && !would_block()) broken_ = true;
  }

  void send(int fd, Way& way) {
    while (!way.held.empty()) {
      ssize_t const size =
          ::send(fd, way.held.data(), way.held.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size < 0 && would_block()) return;
      if (size < 0) return drop(way);
      way.held.erase(0, static_cast<std::size_t>(size));
    }
    if (!way.ended || way.closed) return;
    ::shutdown(fd, SHUT_WR);
    way.closed = true;
  }

  // Nobody takes it any more; the other way may go on.
  static void drop(Way& way) {
    way.held.clear();
    way.ended = true;
    way.closed = true;
  }

  void read_head() {
    auto head = read_proxy_head(up_.held);
    if (!head) return refuse(400, head.error().message);
    if (!*head) {
      if (up_.ended) broken_ = true;
      return;
    }
    if (!connect()) return refuse(502, "the gateway cannot be reached");
    up_.held.erase(0, (*head)->size);
    forward_ = std::move((*head)->forward);
    std::string ask =
        fmt::format("CONNECT {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
                    (*head)->target, (*head)->target, endpoint_->token.reveal());
    if (forward_.empty()) {
      // The client waits for the gateway's answer itself.
      up_.held.insert(0, ask);
      stage_ = Stage::passing;
      return;
    }
    later_ = std::exchange(up_.held, std::move(ask));
    stage_ = Stage::asked;
  }

  // 200, and the request follows; anything else is the answer.
  void read_answer() {
    auto const end = down_.held.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (down_.ended) broken_ = true;
      return;
    }
    if (down_.held.starts_with("HTTP/1.1 200")) {
      down_.held.erase(0, end + 4);
      up_.held += std::exchange(forward_, {}) + std::exchange(later_, {});
    }
    stage_ = Stage::passing;
  }

  void refuse(int status, std::string_view why) {
    down_.held = fmt::format(
        "HTTP/1.1 {} Refused\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n"
        "Connection: close\r\n\r\n{}\n",
        status, why.size() + 1, why);
    down_.ended = true;
    stage_ = Stage::refused;
  }

  [[nodiscard]] bool connect() {
    sockaddr_un place{};
    place.sun_family = AF_UNIX;
    if (endpoint_->socket_path.size() >= sizeof place.sun_path) return false;
    std::memcpy(place.sun_path, endpoint_->socket_path.data(), endpoint_->socket_path.size());
    outside_ = os::Fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    // A unix socket connects at once or not at all.
    return outside_.valid() &&
           ::connect(outside_.get(), reinterpret_cast<sockaddr const*>(&place), sizeof place) == 0;
  }

  os::Fd inside_;
  os::Fd outside_;
  Endpoint const* endpoint_;
  Way up_;    // from the client
  Way down_;  // to it
  std::string forward_;
  std::string later_;  // came behind the head, while the gateway is asked
  Stage stage_ = Stage::head;
  bool broken_ = false;
};

void accept_one(int listener, Endpoint const& endpoint, std::list<Client>& clients) {
  os::Fd socket{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)};
  if (socket.valid()) clients.emplace_back(std::move(socket), endpoint);
}

[[noreturn]] void serve(int listener, Endpoint const& endpoint) {
  std::list<Client> clients;
  for (;;) {
    std::vector<pollfd> waits;
    bool const full = clients.size() >= kRelayConnectionsMax;
    waits.push_back({full ? -1 : listener, POLLIN, 0});
    for (Client const& client : clients) {
      waits.push_back(client.inside());
      waits.push_back(client.outside());
    }
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) ::_exit(1);
    std::size_t at = 1;
    for (Client& client : clients) {
      client.move(waits[at].revents, waits[at + 1].revents);
      at += 2;
    }
    std::erase_if(clients, [](Client const& client) { return client.over(); });
    if ((waits.front().revents & POLLIN) != 0) accept_one(listener, endpoint, clients);
  }
}

}  // namespace

Status start_egress_relay(Endpoint const& endpoint, std::uint16_t port) {
  os::Fd const listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!listener.valid()) return fail_errno("make", "a socket");
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int const on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener.get(), reinterpret_cast<sockaddr const*>(&place), sizeof place) != 0)
    return fail_errno("listen on", fmt::format("127.0.0.1:{}", port));
  if (::listen(listener.get(), 64) != 0)
    return fail_errno("listen on", fmt::format("port {}", port));
  pid_t const parent = ::getpid();
  pid_t const child = ::fork();
  if (child < 0) return fail_errno("start", "the egress relay");
  if (child != 0) return {};
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);
  ::signal(SIGPIPE, SIG_IGN);
  serve(listener.get(), endpoint);
}

}  // namespace drover::unit
