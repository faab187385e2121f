#pragma once
// An HTTP/1.1 server on one io_context thread, over TCP or a unix socket, for the API and the unit
// sockets. Everything here is called on that thread. Each connection is one coroutine that reads a
// request, runs the handler, and goes on with the next (pipelined requests are served in order).
//
// Limits are in HttpServerOptions; what passes one is answered (400, 408, 413, 431, 503) as
// {"error":{…}} and the connection closed. A handler that throws, or that answers nothing, becomes
// a 500 and a log line; where part of an answer was sent already, the connection is cut.
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "net/http_types.h"
#include "os/blocking_pool.h"
#include "os/fd.h"

namespace drover::net {

struct PeerCredentials {  // of a unix socket, from the kernel
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

struct HttpRequest {
  std::string method;
  std::string target;  // as it came
  std::string path;    // decoded
  Query query;         // decoded
  Headers headers;
  std::string body;
  std::string peer;  // "127.0.0.1:41234", "unix"
  std::optional<PeerCredentials> credentials;

  // Case-insensitive; nullptr where there is none.
  [[nodiscard]] std::string const* header(std::string_view name) const {
    return headers.find(name);
  }
};

using SharedBytes = std::shared_ptr<std::string const>;  // shared: one event, all its readers

// A connection that was handed over, and what of its bytes had come by then.
struct TakenConnection {
  os::Fd socket;  // does not block
  std::string received;
};

// The answer to one request; lives as long as its handler runs. One operation at a time.
// An error of any operation means that the connection is lost: the handler should return.
class HttpReply {
 public:
  virtual ~HttpReply() = default;

  // The whole answer. Content-Length is added; for HEAD the body is left out.
  virtual Task<Status> send(int status, Headers headers, std::string body) = 0;

  // A streamed answer: begin_stream, any number of writes, end. Each write returns once the bytes
  // are with the kernel. For HEAD only the head is sent and a write gives cancelled.
  virtual Task<Status> begin_stream(int status, Headers headers) = 0;
  virtual Task<Status> write(SharedBytes bytes) = 0;
  // Several buffers in one system call where the socket takes them, without copying.
  virtual Task<Status> write(std::vector<SharedBytes> buffers) = 0;
  virtual Task<Status> end() = 0;

  // The answer to CONNECT: 200, and then the connection itself, which is no longer the server's.
  // Whoever holds it closes it with the handler at the latest: a server that stops cancels that.
  virtual Task<Result<TakenConnection>> take_connection() = 0;

  // Whether the client has closed, or half-closed, its side. Writes may still reach a client that
  // only half-closed.
  [[nodiscard]] virtual bool peer_gone() = 0;
  // Calls `callback` once, from the loop, when the client goes, also when it has gone already;
  // never after the handler has returned. At most one callback; a later one replaces it, nullptr
  // clears.
  virtual void on_peer_gone(std::function<void()> callback) = 0;
};

// A plain function or lambda that returns a Task; a capturing lambda must not itself be the
// coroutine. `reply` outlives the Task.
using Handler = std::function<Task<void>(HttpRequest request, HttpReply& reply)>;

// Whether CONNECT reaches the handler, with what it names as `target` and an empty path.
enum class ConnectMethod : std::uint8_t { refused, handled };

struct HttpServerOptions {
  std::size_t header_bytes_max = std::size_t{32} << 10U;
  std::size_t body_bytes_max = std::size_t{16} << 20U;
  std::size_t connections_max = 4096;
  Millis header_timeout{10'000};  // from the first byte (or the accept) to the end of the headers
  Millis body_timeout{60'000};
  Millis idle_timeout{75'000};   // between requests
  Millis write_timeout{30'000};  // a client that takes no byte for so long is dropped
  ConnectMethod connect = ConnectMethod::refused;
};

class HttpServer {
 public:
  // `host` is a numeric address or "localhost"; port 0 takes a free one. conflict, naming the port,
  // when it is in use.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> listen_tcp(boost::asio::io_context& io,
                                                                      std::string const& host,
                                                                      std::uint16_t port,
                                                                      HttpServerOptions options,
                                                                      Handler handler);
  // Replaces a socket file that nobody serves; conflict when somebody does. Paths longer than
  // sun_path are fine. The file is removed when the server stops.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> listen_unix(boost::asio::io_context& io,
                                                                       std::string const& path,
                                                                       mode_t mode,
                                                                       HttpServerOptions options,
                                                                       Handler handler);

  // Stops as close() does and, where connections are still winding down, runs the loop on this
  // thread until they have ended. Prefer `co_await stop()` first. Not from within a handler.
  ~HttpServer();
  HttpServer(HttpServer const&) = delete;
  HttpServer& operator=(HttpServer const&) = delete;

  [[nodiscard]] std::uint16_t port() const;  // 0 for a unix socket
  [[nodiscard]] std::size_t connections() const;

  // Refuses new connections, closes all there are and cancels their handlers (their next await
  // throws operation_aborted). Returns at once.
  void close();
  // close(), and waits until every handler has ended. Not from within a handler.
  Task<void> stop();

 private:
  struct State;
  explicit HttpServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with the connections until they have ended
};

}  // namespace drover::net
