#include "net/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <exception>
#include <unordered_map>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/system_error.hpp>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "net/http_reply.h"
#include "net/listener.h"
#include "net/stream_io.h"

namespace drover::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr int kAcceptsInARowMax = 64;
// Connections above connections_max that are told so (503) before further ones are cut unanswered.
constexpr std::size_t kRefusalsMax = 64;
constexpr Millis kAcceptPause{100};   // when the process is out of descriptors
constexpr Millis kLingerTime{2'000};  // for a client to read an answer that came before its request
constexpr std::size_t kLingerBytesMax = std::size_t{64} << 20U;
constexpr Millis kDestructorWait{30'000};

struct Peer {
  std::string address;
  std::optional<PeerCredentials> credentials;
};

Peer peer_of(int fd, sockaddr_storage const& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    auto const& in = reinterpret_cast<sockaddr_in const&>(address);
    ::inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return {fmt::format("{}:{}", text, ntohs(in.sin_port)), {}};
  }
  if (address.ss_family == AF_INET6) {
    auto const& in6 = reinterpret_cast<sockaddr_in6 const&>(address);
    ::inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
    return {fmt::format("[{}]:{}", text, ntohs(in6.sin6_port)), {}};
  }
  ucred credentials{};
  socklen_t size = sizeof credentials;
  Peer peer{"unix", {}};
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
    peer.credentials = PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
  return peer;
}

struct Refusal {
  int status;
  Error error;
};

Refusal bad_request(std::string message) {
  return {400, {ErrorCode::invalid_argument, std::move(message), {}}};
}

Refusal refusal_of(error_code ec, HttpServerOptions const& options) {
  if (ec == http::error::header_limit) {
    return {
        431,
        {ErrorCode::too_large,
         fmt::format("the request's headers are larger than {} bytes", options.header_bytes_max),
         {}}};
  }
  if (ec == http::error::body_limit) {
    return {413,
            {ErrorCode::too_large,
             fmt::format("the request's body is larger than {} bytes", options.body_bytes_max),
             {}}};
  }
  return bad_request(fmt::format("the request is not valid HTTP/1.1: {}", ec.message()));
}

Headers json_headers(Error const& error) {
  Headers headers{{"Content-Type", "application/json"}};
  if (error.code == ErrorCode::unavailable) headers.add("Retry-After", "1");
  return headers;
}

using Parser = http::request_parser<http::string_body>;

Headers copy_headers(Parser::value_type const& message) {
  Headers headers;
  for (auto const& field : message) {
    auto const name = field.name_string();
    auto const value = field.value();
    headers.add({name.data(), name.size()}, {value.data(), value.size()});
  }
  return headers;
}

// What Beast leaves to its user: the rules of RFC 9112 on Host, target and framing.
std::optional<Refusal> check_head(unsigned version, ConnectMethod connect, HttpRequest& request) {
  if (version != 11 && version != 10) return bad_request("only HTTP/1.1 and HTTP/1.0 are spoken");
  std::size_t const hosts = request.headers.count("Host");
  if (hosts > 1 || (hosts == 0 && version == 11))
    return bad_request("a request names its Host exactly once");
  std::string const* const coding = request.header("Transfer-Encoding");
  if (coding != nullptr) {
    bool const plain_chunks = version == 11 && request.headers.count("Transfer-Encoding") == 1 &&
                              iequals(*coding, "chunked") && !request.header("Content-Length");
    if (!plain_chunks) return bad_request("the only Transfer-Encoding is chunked, on its own");
  }
  // Its target is an authority; whoever handles it reads that.
  if (request.method == "CONNECT" && connect == ConnectMethod::handled) return std::nullopt;
  auto target = parse_target(request.target);
  if (!target) return Refusal{400, target.error()};
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  return std::nullopt;
}

class Connection;

}  // namespace

// What a server and its connections share.
struct HttpServer::State {
  State(asio::io_context& loop, HttpServerOptions limits, Handler serve)
      : io(loop),
        options(limits),
        handler(std::move(serve)),
        acceptor(loop),
        accept_pause(loop),
        all_ended(loop, asio::steady_timer::time_point::max()) {}

  asio::io_context& io;
  HttpServerOptions options;
  Handler handler;
  asio::posix::stream_descriptor acceptor;
  UnixListener unix_listener;  // owns the file; its descriptor has moved to `acceptor`
  asio::steady_timer accept_pause;
  asio::steady_timer all_ended;  // never expires; cancelled when the last connection has ended
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
  std::uint16_t port = 0;
  bool closed = false;

  static void wait_for_clients(std::shared_ptr<State> state);
  static void accept_clients(std::shared_ptr<State> const& state);
  static void start(std::shared_ptr<State> const& state, os::Fd fd,
                    sockaddr_storage const& address);
  void close();
};

namespace {

enum class Admission : std::uint8_t { serve, refuse };

// One client, from accept to close. Kept alive by its own coroutine.
class Connection {
 public:
  Connection(asio::io_context& io, os::Fd fd, HttpServerOptions const& options,
             Handler const& handler, Peer peer)
      : options_(options),
        handler_(handler),
        peer_(std::move(peer)),
        io_(std::make_shared<StreamIo>(io, std::move(fd), options.write_timeout)) {}

  Task<void> run(Admission admission) {
    if (admission == Admission::refuse) {
      Refusal full{503,
                   {ErrorCode::unavailable,
                    fmt::format("the server has {} connections, which is its limit",
                                options_.connections_max),
                    "try again later"}};
      co_await refuse(std::move(full));
      co_return;
    }
    Step step = Step::go_on;
    while (step == Step::go_on) {
      step = co_await read_request();
      if (step == Step::go_on) step = co_await answer();
    }
  }

  void close() {
    closing_ = true;
    io_->close();
  }
  asio::cancellation_signal& cancel() { return cancel_; }
  std::string const& peer() const { return peer_.address; }

 private:
  enum class Step : std::uint8_t { go_on, leave };

  Task<Step> read_request() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(options_.header_bytes_max));
    parser_->body_limit(options_.body_bytes_max);
    auto const begun = co_await wait_for_first_byte();
    if (begun == Step::leave) co_return Step::leave;
    io_->set_deadline(options_.header_timeout);
    auto const head = co_await parse_on(Until::head);
    if (head == Step::leave) co_return Step::leave;
    auto refusal = take_head();
    if (refusal) co_return co_await refuse(std::move(*refusal));
    io_->set_deadline(options_.body_timeout);
    auto const invited = co_await invite_body();
    if (invited == Step::leave) co_return Step::leave;
    parser_->eager(true);
    auto const body = co_await parse_on(Until::body);
    io_->clear_deadline();
    if (body == Step::leave) co_return Step::leave;
    request_.body = std::move(parser_->get().body());
    parser_.reset();  // a waiting handler (SSE) should not hold it
    // An idle or streaming connection keeps no buffer of its own.
    if (io_->input().empty()) io_->input().shrink_to_fit();
    co_return Step::go_on;
  }

  Task<Step> wait_for_first_byte() {
    if (!io_->input().empty()) co_return Step::go_on;
    io_->set_deadline(first_ ? options_.header_timeout : options_.idle_timeout);
    first_ = false;
    auto const read = co_await io_->read_more();
    co_return read == ReadOutcome::bytes ? Step::go_on : Step::leave;
  }

  enum class Until : std::uint8_t { head, body };

  Task<Step> parse_on(Until until) {
    while (!(until == Until::head ? parser_->is_header_done() : parser_->is_done())) {
      error_code ec = http::error::need_more;
      if (!io_->input().empty()) {
        std::size_t const used = parser_->put(asio::buffer(io_->input()), ec);
        io_->input().erase(0, used);
      }
      if (ec && ec != http::error::need_more) co_return co_await refuse(refusal_of(ec, options_));
      if (!ec) continue;
      auto const read = co_await io_->read_more();
      if (read == ReadOutcome::expired) co_return co_await refuse(too_slow(until));
      if (read != ReadOutcome::bytes) co_return Step::leave;
    }
    co_return Step::go_on;
  }

  Refusal too_slow(Until until) const {
    bool const head = until == Until::head;
    return {408,
            {ErrorCode::timeout,
             fmt::format("the request's {} did not come within {} ms", head ? "headers" : "body",
                         (head ? options_.header_timeout : options_.body_timeout).count()),
             {}}};
  }

  std::optional<Refusal> take_head() {
    auto const& message = parser_->get();
    auto const method = message.method_string();
    auto const target = message.target();
    request_ = {};
    request_.method.assign(method.data(), method.size());
    request_.target.assign(target.data(), target.size());
    request_.headers = copy_headers(message);
    request_.peer = peer_.address;
    request_.credentials = peer_.credentials;
    traits_.to_head = request_.method == "HEAD";
    traits_.http_1_0 = message.version() == 10;
    traits_.keep_alive = message.keep_alive();
    return check_head(message.version(), options_.connect, request_);
  }

  Task<Step> invite_body() {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    bool const asked = !traits_.http_1_0 && request_.headers.has_token("Expect", "100-continue");
    if (!asked || parser_->is_done() || !io_->input().empty()) co_return Step::go_on;
    std::vector<iovec> parts;
    parts.push_back({const_cast<char*>(kContinue.data()), kContinue.size()});
    auto const sent = co_await io_->write(std::move(parts));
    // The write may have used the deadline for itself.
    io_->set_deadline(options_.body_timeout);
    co_return sent ? Step::go_on : Step::leave;
  }

  Task<Step> answer() {
    StreamReply reply{io_, traits_};
    std::string const what = request_.method + " " + printable(request_.path);
    std::string failure;
    try {
      co_await handler_(std::move(request_), reply);
      if (reply.untouched()) failure = "the handler gave no answer";
    } catch (std::exception const& thrown) {
      failure = thrown.what();
    }
    io_->watch(nullptr);
    if (closing_) co_return Step::leave;
    if (!failure.empty())
      log::error("http-handler-failed", {{"request", what}, {"error", failure}});
    if (!failure.empty() && reply.untouched()) {
      Error const error{ErrorCode::internal, "the server failed on " + what, "see its log"};
      Headers headers = json_headers(error);
      co_await reply.send(500, std::move(headers), error_body(error));
    }
    if (reply.keep_alive()) co_return Step::go_on;
    if (reply.complete()) co_await linger();
    co_return Step::leave;
  }

  Task<Step> refuse(Refusal refusal) {
    traits_.keep_alive = false;
    StreamReply reply{io_, traits_};
    Headers headers = json_headers(refusal.error);
    std::string body = error_body(refusal.error);
    auto const sent = co_await reply.send(refusal.status, std::move(headers), std::move(body));
    if (sent) co_await linger();
    co_return Step::leave;
  }

  // Closing with unread bytes would reset the connection, and the client lose the answer.
  Task<void> linger() {
    io_->shutdown_send();
    io_->set_deadline(kLingerTime);
    ReadOutcome read = ReadOutcome::bytes;
    std::size_t drained = 0;
    while (read == ReadOutcome::bytes && drained < kLingerBytesMax) {
      drained += io_->input().size();
      io_->input().clear();
      read = co_await io_->read_more();
    }
  }

  HttpServerOptions const& options_;  // of the State, which the coroutine keeps
  Handler const& handler_;
  Peer peer_;
  std::shared_ptr<StreamIo> io_;  // shared with its timer and watch
  asio::cancellation_signal cancel_;
  std::optional<Parser> parser_;
  HttpRequest request_;
  ReplyTraits traits_;
  bool first_ = true;
  bool closing_ = false;
};

Task<void> serve(std::shared_ptr<Connection> connection, Admission admission) {
  co_await connection->run(admission);
}

void log_end(std::string const& peer, std::exception_ptr const& thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (boost::system::system_error const& error) {
    if (error.code() != asio::error::operation_aborted)
      log::error("http-connection-failed", {{"peer", peer}, {"error", error.what()}});
  } catch (std::exception const& error) {
    log::error("http-connection-failed", {{"peer", peer}, {"error", error.what()}});
  }
}

}  // namespace

void HttpServer::State::wait_for_clients(std::shared_ptr<State> state) {
  auto& acceptor = state->acceptor;
  acceptor.async_wait(asio::posix::stream_descriptor::wait_read,
                      [state = std::move(state)](error_code ec) {
                        if (!ec && !state->closed) accept_clients(state);
                      });
}

void HttpServer::State::accept_clients(std::shared_ptr<State> const& state) {
  for (int i = 0; i < kAcceptsInARowMax; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    os::Fd fd{::accept4(state->acceptor.native_handle(), reinterpret_cast<sockaddr*>(&address),
                        &size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (fd.valid()) {
      start(state, std::move(fd), address);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    log::warn("http-accept-failed", {{"error", system_error(errno, "accept", "a client").message}});
    state->accept_pause.expires_after(kAcceptPause);
    state->accept_pause.async_wait([state](error_code ec) {
      if (!ec && !state->closed) wait_for_clients(state);
    });
    return;
  }
  wait_for_clients(state);
}

void HttpServer::State::start(std::shared_ptr<State> const& state, os::Fd fd,
                              sockaddr_storage const& address) {
  std::size_t const open = state->connections.size();
  if (open >= state->options.connections_max + kRefusalsMax) return;
  Admission const admission =
      open < state->options.connections_max ? Admission::serve : Admission::refuse;
  if (address.ss_family != AF_UNIX) {
    int const on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  Peer peer = peer_of(fd.get(), address);
  auto connection = std::make_shared<Connection>(state->io, std::move(fd), state->options,
                                                 state->handler, std::move(peer));
  state->connections.emplace(connection.get(), connection);
  auto ended = [state, connection](std::exception_ptr const& thrown) {
    log_end(connection->peer(), thrown);
    connection->close();
    state->connections.erase(connection.get());
    if (state->connections.empty()) state->all_ended.cancel();
  };
  asio::co_spawn(state->io, serve(connection, admission),
                 asio::bind_cancellation_slot(connection->cancel().slot(), std::move(ended)));
}

void HttpServer::State::close() {
  if (closed) return;
  closed = true;
  error_code ignored;
  acceptor.close(ignored);
  accept_pause.cancel();
  unix_listener = {};
  auto const all = connections;  // a copy: a connection may end and leave the map meanwhile
  for (auto const& [key, connection] : all) {
    connection->close();
    connection->cancel().emit(asio::cancellation_type::terminal);
  }
}

HttpServer::HttpServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::listen_tcp(asio::io_context& io,
                                                           std::string const& host,
                                                           std::uint16_t port,
                                                           HttpServerOptions options,
                                                           Handler handler) {
  auto listener = open_tcp_listener(host, port);
  if (!listener) return std::unexpected(listener.error());
  auto state = std::make_shared<State>(io, options, std::move(handler));
  state->port = listener->port;
  state->acceptor.assign(listener->fd.release());
  State::wait_for_clients(state);
  return std::unique_ptr<HttpServer>{new HttpServer{std::move(state)}};
}

Result<std::unique_ptr<HttpServer>> HttpServer::listen_unix(asio::io_context& io,
                                                            std::string const& path, mode_t mode,
                                                            HttpServerOptions options,
                                                            Handler handler) {
  auto listener = UnixListener::open(path, mode);
  if (!listener) return std::unexpected(listener.error());
  auto state = std::make_shared<State>(io, options, std::move(handler));
  state->acceptor.assign(listener->fd.release());
  state->unix_listener = std::move(*listener);
  State::wait_for_clients(state);
  return std::unique_ptr<HttpServer>{new HttpServer{std::move(state)}};
}

HttpServer::~HttpServer() {
  state_->close();
  auto const deadline = std::chrono::steady_clock::now() + kDestructorWait;
  while (!state_->connections.empty()) {
    // A handler that outlived the server would use what it borrows after its end.
    DROVER_CHECK(std::chrono::steady_clock::now() < deadline);
    if (state_->io.stopped()) state_->io.restart();
    state_->io.run_one_for(Millis{100});
  }
}

std::uint16_t HttpServer::port() const {
  return state_->port;
}

std::size_t HttpServer::connections() const {
  return state_->connections.size();
}

void HttpServer::close() {
  state_->close();
}

Task<void> HttpServer::stop() {
  auto const state = state_;  // the server may be destroyed right after the last connection
  state->close();
  while (!state->connections.empty()) {
    error_code ignored;
    co_await state->all_ended.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

}  // namespace drover::net
