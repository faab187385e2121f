#include "net/unix_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.h"
#include "net/unix_address.h"

namespace drover::net {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10U;
constexpr int kReadsPerCall = 4;  // so that one busy connection does not starve the others
constexpr Millis kBacklogPause{2};
constexpr Millis kWaitMax{60'000};  // poll() takes an int

Status check_request(std::string_view method, std::string_view target, Headers const& headers) {
  if (!is_token(method)) {
    return fail(ErrorCode::invalid_argument, "'{}' is not an HTTP method", printable(method));
  }
  bool const clean = !target.empty() && std::ranges::all_of(target, [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
  });
  if (!clean) {
    return fail(ErrorCode::invalid_argument, "'{}' is not a request target", printable(target));
  }
  DROVER_TRY(check_headers(headers));
  for (std::string_view name : {"Content-Length", "Transfer-Encoding", "Host", "Connection"}) {
    if (headers.find(name) != nullptr) {
      return fail(ErrorCode::invalid_argument, "header {} is set by the client itself", name);
    }
  }
  return {};
}

std::string print_request(std::string_view method, std::string_view target, Headers const& headers,
                          std::string_view body) {
  std::string out;
  out.reserve(body.size() + 512);
  out.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
  for (Header const& header : headers) {
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  bool const takes_body = method == "POST" || method == "PUT" || method == "PATCH";
  if (takes_body || !body.empty()) {
    out.append(fmt::format("Content-Length: {}\r\n", body.size()));
  }
  out.append("\r\n").append(body);
  return out;
}

}  // namespace

Result<UnixClient> UnixClient::open(std::string socket_path, Clock const& clock,
                                    HttpResponseBounds bounds) {
  UnixClient client{std::move(socket_path), clock, bounds};
  DROVER_TRY(client.connect(clock.boot_now() + std::chrono::seconds{10}));
  return client;
}

Status UnixClient::connect(BootTime deadline) {
  close();
  auto address = UnixAddress::of(socket_path_);
  if (!address) return std::unexpected(address.error());
  os::Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd.valid()) return fail_errno("open a socket to", socket_path_);
  while (::connect(fd.get(), address->get(), address->size()) != 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      return fail_next(ErrorCode::unavailable,
                       fmt::format("cannot connect to {}: {}", printable(socket_path_),
                                   system_error(errno, "connect to", socket_path_).message),
                       "check that the server is running");
    }
    // The listener's backlog is full, and the kernel gives no event for that.
    if (clock_->boot_now() >= deadline) {
      return fail(ErrorCode::timeout, "{} did not accept a connection in time",
                  printable(socket_path_));
    }
    ::poll(nullptr, 0, static_cast<int>(kBacklogPause.count()));
  }
  fd_ = std::move(fd);
  served_ = false;
  return {};
}

void UnixClient::close() {
  fd_.reset();
  pending_.clear();
  request_.clear();
  failure_.reset();
  state_ = State::idle;
}

bool UnixClient::connection_is_usable() const {
  if (!fd_.valid()) return false;
  char byte = 0;
  // Anything to read on an idle connection is its end, or bytes that nobody asked for.
  ssize_t const peeked = ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

Status UnixClient::start(std::string_view method, std::string_view target, Headers const& headers,
                         std::string_view body, BootTime deadline) {
  DROVER_TRY(check_request(method, target, headers));
  if (state_ == State::awaiting || !connection_is_usable()) DROVER_TRY(connect(deadline));
  pending_.clear();
  failure_.reset();
  request_ = print_request(method, target, headers, body);
  parser_ = HttpResponseParser{method == "HEAD" ? ResponseTo::head : ResponseTo::get, bounds_};
  send_deadline_ = deadline;
  state_ = State::awaiting;
  reused_ = served_;
  return send_request(deadline);
}

Status UnixClient::send_request(BootTime deadline) {
  Status written = write_request(deadline);
  if (written) return {};
  if (written.error().code == ErrorCode::unavailable && may_resend())
    return send_again(written.error(), deadline);
  close();
  return written;
}

bool UnixClient::may_resend() const {
  return reused_ && !parser_.started();
}

Status UnixClient::send_again(Error const& first, BootTime deadline) {
  std::string request = std::move(request_);
  HttpResponseParser parser = parser_;
  if (!connect(deadline)) return std::unexpected(first);
  request_ = std::move(request);
  parser_ = std::move(parser);
  state_ = State::awaiting;
  reused_ = false;
  return send_request(deadline);
}

Status UnixClient::write_request(BootTime deadline) {
  std::size_t sent = 0;
  while (sent < request_.size()) {
    ssize_t const n =
        ::send(fd_.get(), request_.data() + sent, request_.size() - sent, MSG_NOSIGNAL);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      Error const gone = system_error(errno, "send a request to", socket_path_);
      // An early answer (413, 401) may be waiting, with the rest of the request refused.
      Status const received = receive();
      if (received && parser_.started()) return {};
      return std::unexpected(Error{ErrorCode::unavailable, gone.message, gone.next});
    }
    DROVER_TRY(wait(Ready::write, deadline));
  }
  return {};
}

Status UnixClient::wait(Ready ready, BootTime deadline) {
  pollfd entry{fd_.get(), static_cast<short>(ready == Ready::read ? POLLIN : POLLOUT), 0};
  while (true) {
    auto const left = std::max(std::chrono::ceil<Millis>(deadline - clock_->boot_now()), Millis{0});
    int const n = ::poll(&entry, 1, static_cast<int>(std::min(left, kWaitMax).count()));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return fail_errno("wait for", socket_path_);
    if (left.count() == 0) {
      return fail(ErrorCode::timeout, "{} did not {} in time", printable(socket_path_),
                  ready == Ready::read ? "answer" : "take the request");
    }
  }
}

Status UnixClient::on_readable() {
  if (state_ == State::idle) return {};
  Status received = receive();
  if (received) return {};
  if (received.error().code == ErrorCode::unavailable && may_resend()) {
    received = send_again(received.error(), send_deadline_);
    if (received) return {};
  }
  // What came before the failure stays for take_body().
  fd_.reset();
  state_ = State::idle;
  failure_ = received.error();
  return received;
}

Status UnixClient::receive() {
  std::array<char, kReadBytes> buffer;
  for (int i = 0; i < kReadsPerCall && state_ == State::awaiting; ++i) {
    if (pending_.size() >= kUnixPendingBytesMax) {
      return fail(ErrorCode::too_large, "more than {} bytes of a response wait to be taken",
                  kUnixPendingBytesMax);
    }
    ssize_t const n = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
    if (n < 0) return take_end(system_error(errno, "read from", socket_path_));
    if (n == 0) {
      return take_end(
          {ErrorCode::unavailable,
           fmt::format("{} closed the connection without an answer", printable(socket_path_)),
           "check that the server is running"});
    }
    DROVER_TRY(take_bytes({buffer.data(), static_cast<std::size_t>(n)}));
    if (static_cast<std::size_t>(n) < buffer.size()) return {};
  }
  return {};
}

Status UnixClient::take_bytes(std::string_view bytes) {
  auto taken = parser_.feed(bytes, pending_);
  if (!taken) return std::unexpected(taken.error());
  if (!request_.empty()) request_.clear();
  if (!parser_.done()) return {};
  state_ = State::idle;
  served_ = true;
  // Bytes behind the response were not asked for: what they mean is not for this client to guess.
  if (!parser_.keep_alive() || *taken < bytes.size()) fd_.reset();
  return {};
}

// The peer closed, or the connection broke.
Status UnixClient::take_end(Error const& gone) {
  if (!parser_.started()) {
    return std::unexpected(Error{ErrorCode::unavailable, gone.message, gone.next});
  }
  fd_.reset();
  DROVER_TRY(parser_.finish());
  state_ = State::idle;
  return {};
}

HttpHead const* UnixClient::head() const {
  return parser_.head_done() ? &parser_.head() : nullptr;
}

std::string UnixClient::take_body() {
  return std::exchange(pending_, {});
}

Result<HttpHead const*> UnixClient::read_head(BootTime deadline) {
  while (head() == nullptr) {
    if (failure_) return std::unexpected(*failure_);
    if (state_ == State::idle) {
      return fail(ErrorCode::invalid_argument, "no request to {} is under way",
                  printable(socket_path_));
    }
    DROVER_TRY(wait(Ready::read, deadline));
    static_cast<void>(on_readable());  // a failure shows on the next round
  }
  return head();
}

Result<std::optional<std::string>> UnixClient::read_some(BootTime deadline) {
  while (pending_.empty()) {
    if (failure_) return std::unexpected(*failure_);
    if (state_ == State::idle) return std::nullopt;
    DROVER_TRY(wait(Ready::read, deadline));
    // A failure shows on the next round, behind the bytes that came before it.
    static_cast<void>(on_readable());
  }
  return take_body();
}

Result<std::string> UnixClient::read_rest(BootTime deadline, std::size_t bytes_max) {
  std::string body;
  while (true) {
    auto piece = read_some(deadline);
    if (!piece) return std::unexpected(piece.error());
    if (!*piece) return body;
    if ((*piece)->size() > bytes_max - body.size()) {
      close();
      return fail(ErrorCode::too_large, "the response of {} is larger than {} bytes",
                  printable(socket_path_), bytes_max);
    }
    body.append(**piece);
  }
}

Result<HttpResponse> UnixClient::request(std::string_view method, std::string_view target,
                                         Headers const& headers, std::string_view body,
                                         BootTime deadline, std::size_t bytes_max) {
  DROVER_TRY(start(method, target, headers, body, deadline));
  auto head = read_head(deadline);
  if (!head) return std::unexpected(head.error());
  HttpResponse response{(*head)->status, (*head)->headers, {}};
  auto rest = read_rest(deadline, bytes_max);
  if (!rest) return std::unexpected(rest.error());
  response.body = std::move(*rest);
  return response;
}

}  // namespace drover::net
