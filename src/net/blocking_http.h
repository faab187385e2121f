#pragma once
// A blocking HTTP client for the command line, on libcurl. Keeps its connection between requests.
// Not thread-safe, but `abort` may be set by another thread or a signal handler at any time: the
// call under way then returns cancelled within 100 ms.
// Errors as HttpClient's; an HTTP error status is no Error.
#include <atomic>
#include <functional>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "net/http_types.h"

namespace drover::net {

enum class StreamStep : std::uint8_t { more, stop };

class BlockingHttp {
 public:
  // `abort` is borrowed, may be nullptr.
  explicit BlockingHttp(std::atomic<bool> const* abort = nullptr);
  ~BlockingHttp();
  BlockingHttp(BlockingHttp const&) = delete;
  BlockingHttp& operator=(BlockingHttp const&) = delete;

  // The whole response, its body bounded by request.body_bytes_max.
  [[nodiscard]] Result<HttpResponse> request(ClientRequest const& request);

  // Hands the body of a 2xx response to `on_bytes` as it comes, until the end or until it says
  // stop; `body` of the result is then empty. Any other response is returned whole.
  [[nodiscard]] Result<HttpResponse> stream(
      ClientRequest const& request, std::function<StreamStep(std::string_view)> const& on_bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drover::net
