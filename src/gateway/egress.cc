#include "gateway/egress.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/time.h"
#include "os/async_event.h"

namespace drover::gateway {

namespace {

namespace asio = boost::asio;

constexpr Millis kConnectTime{10'000};
constexpr std::size_t kAddressesMax = 8;  // that are tried

constexpr IpBytes kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_v4(IpBytes const& address) {
  return std::memcmp(address.data(), kMapped.data(), 12) == 0;
}

IpBytes bytes_of(asio::ip::address const& address) {
  if (address.is_v6()) return address.to_v6().to_bytes();
  IpBytes bytes = kMapped;
  auto const four = address.to_v4().to_bytes();
  std::memcpy(bytes.data() + 12, four.data(), 4);
  return bytes;
}

// One attempt. Shared with the handler of its wait, which may run after its end.
struct Connecting {
  Connecting(asio::any_io_executor const& executor, int fd)
      : socket(executor, fd), changed(executor) {}
  asio::posix::stream_descriptor socket;
  os::AsyncEvent changed;
  bool ready = false;
};

Task<Result<std::vector<IpBytes>>> resolve(EgressTarget target) {
  std::vector<IpBytes> addresses;
  if (target.address) {
    addresses.push_back(*target.address);
    co_return addresses;
  }
  auto const executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver{executor};
  boost::system::error_code error;
  auto const found = co_await resolver.async_resolve(
      target.host, std::to_string(target.port), asio::redirect_error(asio::use_awaitable, error));
  if (error)
    co_return fail(ErrorCode::unavailable, "the name {} has no address: {}", target.host,
                   error.message());
  for (auto const& entry : found)
    if (addresses.size() < kAddressesMax) addresses.push_back(bytes_of(entry.endpoint().address()));
  co_return addresses;
}

Task<Result<os::Fd>> connect_to(IpBytes address, std::uint16_t port) {
  auto const executor = co_await asio::this_coro::executor;
  sockaddr_storage place{};
  socklen_t size = sizeof(sockaddr_in6);
  if (is_v4(address)) {
    auto& in = reinterpret_cast<sockaddr_in&>(place);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.data() + 12, 4);
    size = sizeof(sockaddr_in);
  } else {
    auto& in = reinterpret_cast<sockaddr_in6&>(place);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    std::memcpy(&in.sin6_addr, address.data(), address.size());
  }
  int const fd = ::socket(place.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return fail_errno("make", "a socket");
  auto const state = std::make_shared<Connecting>(executor, fd);
  // Ends the wait, whose handler holds the state, wherever this is left.
  struct Closing {
    Connecting* state;
    ~Closing() {
      boost::system::error_code ignored;
      if (state->socket.is_open()) state->socket.close(ignored);
    }
  };
  Closing const closing{state.get()};
  std::string const where = fmt::format("{} port {}", print_ip(address), port);
  int const begun = ::connect(fd, reinterpret_cast<sockaddr const*>(&place), size);
  if (begun != 0 && errno != EINPROGRESS)
    co_return fail(ErrorCode::unavailable, "cannot connect to {}: {}", where, std::strerror(errno));
  state->socket.async_wait(asio::posix::stream_descriptor::wait_write,
                           [state](boost::system::error_code) {
                             state->ready = true;
                             state->changed.notify();
                           });
  auto const deadline = std::chrono::steady_clock::now() + kConnectTime;
  while (!state->ready && std::chrono::steady_clock::now() < deadline) {
    auto const seen = state->changed.version();
    co_await state->changed.wait(seen, deadline);
  }
  if (!state->ready) co_return fail(ErrorCode::timeout, "{} did not answer in 10 s", where);
  int failure = 0;
  socklen_t length = sizeof failure;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length);
  if (failure != 0)
    co_return fail(ErrorCode::unavailable, "cannot connect to {}: {}", where,
                   std::strerror(failure));
  co_return os::Fd{state->socket.release()};
}

}  // namespace

Task<Result<EgressConnection>> connect_out(EgressPolicy policy, EgressTarget target) {
  auto const asked = policy.may_ask(target);
  if (!asked) co_return std::unexpected(asked.error());
  auto const addresses = co_await resolve(target);
  if (!addresses) co_return std::unexpected(addresses.error());
  Error last{ErrorCode::unavailable, fmt::format("the name {} has no address", target.host), {}};
  for (IpBytes const& address : *addresses) {
    auto const allowed = policy.may_connect(target, address);
    // A name that leads inside with one of its addresses leads nowhere.
    if (!allowed) co_return std::unexpected(allowed.error());
  }
  for (IpBytes const& address : *addresses) {
    auto connected = co_await connect_to(address, target.port);
    if (connected) {
      EgressConnection connection{*std::move(connected), print_ip(address)};
      co_return connection;
    }
    last = connected.error();
  }
  co_return std::unexpected(std::move(last));
}

}  // namespace drover::gateway
