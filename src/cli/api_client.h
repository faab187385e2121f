#pragma once
// The HTTP API as the commands use it (docs/http-api.md): JSON in, JSON or an Error out. Blocking;
// not thread-safe. Errors: the server's own code and sentence; unavailable when nobody answers;
// cancelled when `abort` was set.
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "cli/discovery.h"

namespace drover::net {
class BlockingHttp;
enum class StreamStep : std::uint8_t;
struct ClientRequest;
}  // namespace drover::net

namespace drover::cli {

inline constexpr std::string_view kApi = "/api/v1";

class ApiClient {
 public:
  // `abort` is borrowed, may be nullptr.
  explicit ApiClient(Endpoint endpoint, std::atomic<bool> const* abort = nullptr);
  ~ApiClient();
  ApiClient(ApiClient&&) noexcept;
  ApiClient& operator=(ApiClient&&) noexcept;

  [[nodiscard]] Endpoint const& endpoint() const { return endpoint_; }

  // `path` is behind kApi, its ids checked and its query encoded by the caller.
  [[nodiscard]] Result<json::object> get(std::string_view path);
  // `idempotency_key` empty: none is sent.
  [[nodiscard]] Result<json::object> post(std::string_view path, json::object const& body,
                                          std::string_view idempotency_key = "");
  [[nodiscard]] Result<json::object> put(std::string_view path, json::object const& body);
  [[nodiscard]] Status remove(std::string_view path);
  // /readyz, within `deadline`: ok, or why not.
  [[nodiscard]] Status ready(Millis deadline);

  struct StreamPatience {
    Millis head;  // until the answer begins
    Millis idle;  // the longest silence after that
  };
  // The bytes of an event stream behind the event with the id `last` (empty: from its beginning),
  // until its end, until patience runs out (timeout), or stop.
  [[nodiscard]] Status stream(std::string_view path, std::string_view last, StreamPatience patience,
                              std::function<net::StreamStep(std::string_view)> const& on_bytes);

 private:
  [[nodiscard]] net::ClientRequest make(std::string_view method, std::string_view path) const;
  [[nodiscard]] Error unreachable(Error error) const;

  Endpoint endpoint_;
  std::unique_ptr<net::BlockingHttp> http_;
};

// The Error that an answer with an HTTP error status tells.
[[nodiscard]] Error error_of_answer(int status, std::string_view body);

}  // namespace drover::cli
