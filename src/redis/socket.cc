#include "redis/socket.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <optional>
#include <string>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/text.h"

namespace drover::redis {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

std::unexpected<Error> lost(std::string_view what, error_code const& problem) {
  return fail(ErrorCode::unavailable, "{}: {}", what, problem.message());
}

// read() and write() are the same for every stream of Asio's.
template <class Stream>
Task<Result<std::size_t>> read_from(Stream& stream, std::span<char> into) {
  auto const [problem, size] =
      co_await stream.async_read_some(asio::buffer(into.data(), into.size()), kAwait);
  if (problem == asio::error::eof || problem == asio::ssl::error::stream_truncated)
    co_return std::size_t{0};
  if (problem) co_return lost("the connection to Redis broke", problem);
  co_return size;
}

template <class Stream>
Task<Status> write_to(Stream& stream, std::string_view bytes) {
  auto const [problem, size] =
      co_await asio::async_write(stream, asio::buffer(bytes.data(), bytes.size()), kAwait);
  if (problem) co_return lost("the connection to Redis broke", problem);
  co_return Status{};
}

// The resolver has a thread of its own, Asio's, while it looks a name up.
Task<Status> connect_tcp(Tcp::resolver& resolver, Tcp::socket& socket, Endpoint const& endpoint) {
  std::string const port = fmt::to_string(endpoint.port);
  auto const [unknown, places] = co_await resolver.async_resolve(endpoint.host, port, kAwait);
  if (unknown)
    co_return lost(fmt::format("the host {} was not found", printable(endpoint.host)), unknown);
  auto const [refused, place] = co_await asio::async_connect(socket, places, kAwait);
  if (refused) co_return lost("nobody answers there", refused);
  error_code ignored;
  socket.set_option(Tcp::no_delay{true}, ignored);
  co_return Status{};
}

class TcpSocket final : public Socket {
 public:
  TcpSocket(asio::any_io_executor const& loop, Endpoint const& endpoint)
      : endpoint_(endpoint), resolver_(loop), socket_(loop) {}
  Task<Status> connect() override { co_return co_await connect_tcp(resolver_, socket_, endpoint_); }
  Task<Result<std::size_t>> read(std::span<char> into) override {
    co_return co_await read_from(socket_, into);
  }
  Task<Status> write(std::string_view bytes) override {
    co_return co_await write_to(socket_, bytes);
  }
  void close() override {
    error_code ignored;
    resolver_.cancel();
    socket_.close(ignored);
  }

 private:
  Endpoint endpoint_;
  Tcp::resolver resolver_;
  Tcp::socket socket_;
};

class UnixSocket final : public Socket {
 public:
  UnixSocket(asio::any_io_executor const& loop, Endpoint const& endpoint)
      : path_(endpoint.path), socket_(loop) {}
  Task<Status> connect() override {
    asio::local::stream_protocol::endpoint const place{path_};
    auto const [refused] = co_await socket_.async_connect(place, kAwait);
    if (refused) co_return lost("nobody answers there", refused);
    co_return Status{};
  }
  Task<Result<std::size_t>> read(std::span<char> into) override {
    co_return co_await read_from(socket_, into);
  }
  Task<Status> write(std::string_view bytes) override {
    co_return co_await write_to(socket_, bytes);
  }
  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  std::string path_;
  asio::local::stream_protocol::socket socket_;
};

class TlsSocket final : public Socket {
 public:
  TlsSocket(asio::any_io_executor const& loop, Endpoint const& endpoint, asio::ssl::context context)
      : endpoint_(endpoint),
        resolver_(loop),
        context_(std::move(context)),
        stream_(loop, context_) {}

  Task<Status> connect() override {
    auto const connected = co_await connect_tcp(resolver_, stream_.next_layer(), endpoint_);
    if (!connected) co_return connected;
    SSL* const session = stream_.native_handle();
    error_code no_address;
    asio::ip::make_address(endpoint_.host, no_address);
    if (no_address) SSL_set_tlsext_host_name(session, endpoint_.host.c_str());
    stream_.set_verify_callback(asio::ssl::host_name_verification(endpoint_.host));
    auto const [refused] = co_await stream_.async_handshake(asio::ssl::stream_base::client, kAwait);
    if (!refused) co_return Status{};
    long const verdict = SSL_get_verify_result(session);
    if (verdict != X509_V_OK)
      co_return fail_next(
          ErrorCode::upstream,
          fmt::format("the certificate of {} is not trusted: {}", printable(endpoint_.host),
                      X509_verify_cert_error_string(verdict)),
          "name the authority's file with ?ca_file=/path in the broker's URL, and "
          "the host as its certificate does");
    co_return fail(ErrorCode::upstream, "TLS with {} failed: {}", printable(endpoint_.host),
                   refused.message());
  }
  Task<Result<std::size_t>> read(std::span<char> into) override {
    co_return co_await read_from(stream_, into);
  }
  Task<Status> write(std::string_view bytes) override {
    co_return co_await write_to(stream_, bytes);
  }
  void close() override {
    error_code ignored;
    resolver_.cancel();
    stream_.next_layer().close(ignored);
  }

 private:
  Endpoint endpoint_;
  Tcp::resolver resolver_;
  asio::ssl::context context_;
  asio::ssl::stream<Tcp::socket> stream_;
};

Result<asio::ssl::context> tls_context(Endpoint const& endpoint) {
  asio::ssl::context context{asio::ssl::context::tls_client};
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  error_code problem;
  context.set_verify_mode(asio::ssl::verify_peer, problem);
  if (endpoint.ca_file.empty()) {
    context.set_default_verify_paths(problem);
  } else {
    context.load_verify_file(endpoint.ca_file, problem);
  }
  if (problem)
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("the certificates in {} cannot be read: {}",
                                 printable(endpoint.ca_file), problem.message()),
                     "give ca_file the path of a PEM file");
  return context;
}

}  // namespace

Result<std::shared_ptr<Socket>> Socket::create(asio::any_io_executor const& loop,
                                               Endpoint const& endpoint) {
  switch (endpoint.transport) {
    case Endpoint::Transport::tcp:
      return std::make_shared<TcpSocket>(loop, endpoint);
    case Endpoint::Transport::unix_socket:
      // sun_path with its NUL.
      if (endpoint.path.size() > 107)
        return fail(ErrorCode::invalid_argument, "the socket's path {} is longer than 107 bytes",
                    printable(endpoint.path));
      return std::make_shared<UnixSocket>(loop, endpoint);
    case Endpoint::Transport::tls:
      break;
  }
  auto context = tls_context(endpoint);
  if (!context) return std::unexpected(context.error());
  return std::make_shared<TlsSocket>(loop, endpoint, *std::move(context));
}

}  // namespace drover::redis
