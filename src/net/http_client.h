#pragma once
// An HTTP and HTTPS client on the event loop: libcurl's multi-socket interface driven by Asio, with
// pooled keep-alive connections (HTTP/1.1). Used on the loop's thread only.
// Errors: invalid_argument (URL, method, header), unavailable (no address, refused), timeout (the
// sentence says which phase), upstream (TLS, cut response, not HTTP), too_large, cancelled.
// An HTTP error status is no Error: look at `status`.
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "net/http_types.h"
#include "os/blocking_pool.h"

namespace drover::net {

namespace detail {
class CurlLoop;
class CurlTransfer;
}  // namespace detail

// Body bytes kept for a slow reader before the transfer is paused.
inline constexpr std::size_t kResponsePendingBytesMax = std::size_t{256} << 10U;

// A response whose body is still coming. Destroying it aborts the transfer.
class ResponseStream {
 public:
  ~ResponseStream();
  ResponseStream(ResponseStream const&) = delete;
  ResponseStream& operator=(ResponseStream const&) = delete;

  [[nodiscard]] HttpHead const& head() const;
  // The next piece, never empty; nullopt at the end. A slow reader slows the sender down.
  // Waits for `within`, or as long as the request's `idle` says. One read at a time; the stream
  // outlives it.
  Task<Result<std::optional<std::string>>> read(std::optional<Millis> within = std::nullopt);
  // Aborts the transfer: a read() under way, and any later one, gets cancelled.
  void cancel();

 private:
  friend class HttpClient;
  explicit ResponseStream(std::shared_ptr<detail::CurlTransfer> transfer);
  std::shared_ptr<detail::CurlTransfer> transfer_;  // shared with a read() under way
};

class HttpClient {
 public:
  explicit HttpClient(boost::asio::io_context& io);
  // Aborts what is under way: its callers get cancelled.
  ~HttpClient();
  HttpClient(HttpClient const&) = delete;
  HttpClient& operator=(HttpClient const&) = delete;

  // The whole response, its body bounded by request.body_bytes_max.
  Task<Result<HttpResponse>> send(ClientRequest request);
  // Returns once status and headers have come.
  Task<Result<std::unique_ptr<ResponseStream>>> open(ClientRequest request);

 private:
  std::shared_ptr<detail::CurlLoop> loop_;  // shared with the transfers
};

}  // namespace drover::net
