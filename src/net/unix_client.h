#pragma once
// A small HTTP/1.1 client over a unix socket, for programs without an event loop (the unit): one
// keep-alive connection with one request at a time. Reads block up to a deadline, or do not block
// at all: poll fd() of several clients and call on_readable() on each that is ready.
// Not thread-safe. Errors: unavailable (nobody listens, or the peer went away), timeout (the
// deadline), upstream (what came is not HTTP), too_large (a bound).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "net/http_response_parser.h"
#include "net/http_types.h"
#include "os/fd.h"

namespace drover::net {

// Body bytes that on_readable() keeps for take_body() before it refuses to read on.
inline constexpr std::size_t kUnixPendingBytesMax = std::size_t{4} << 20U;

class UnixClient {
 public:
  // Connects. `clock` is borrowed and measures every deadline.
  [[nodiscard]] static Result<UnixClient> open(std::string socket_path, Clock const& clock,
                                               HttpResponseBounds bounds = {});

  // Sends one request, whole. Host and Content-Length are added. A response that is still open is
  // given up with its connection. Where the server had closed the idle connection, connects again;
  // the request is sent a second time only when no byte of a response was seen, so a POST should
  // be one that the server can tell apart (as the event numbers of the unit API are).
  [[nodiscard]] Status start(std::string_view method, std::string_view target,
                             Headers const& headers, std::string_view body, BootTime deadline);

  // Waits for status and headers; borrowed until the next start().
  [[nodiscard]] Result<HttpHead const*> read_head(BootTime deadline);
  // Waits for the next piece of the body, never empty; nullopt at its end.
  [[nodiscard]] Result<std::optional<std::string>> read_some(BootTime deadline);
  // The rest of the body; too_large above `bytes_max`.
  [[nodiscard]] Result<std::string> read_rest(BootTime deadline, std::size_t bytes_max);
  // start, read_head and read_rest in one.
  [[nodiscard]] Result<HttpResponse> request(std::string_view method, std::string_view target,
                                             Headers const& headers, std::string_view body,
                                             BootTime deadline,
                                             std::size_t bytes_max = std::size_t{16} << 20U);

  // For poll(POLLIN) while a response is awaited; may change with every call; -1 when closed.
  [[nodiscard]] int fd() const { return fd_.get(); }
  // Reads what is there without waiting. Then look at head(), take_body() and done().
  [[nodiscard]] Status on_readable();
  [[nodiscard]] HttpHead const* head() const;  // nullptr until it is complete
  [[nodiscard]] std::string take_body();       // what came since the last call; may be empty
  [[nodiscard]] bool done() const { return state_ == State::idle; }  // no response is awaited
  void close();

 private:
  enum class State : std::uint8_t { idle, awaiting };
  enum class Ready : std::uint8_t { read, write };

  UnixClient(std::string socket_path, Clock const& clock, HttpResponseBounds bounds)
      : socket_path_(std::move(socket_path)), clock_(&clock), bounds_(bounds) {}
  [[nodiscard]] Status connect(BootTime deadline);
  [[nodiscard]] bool connection_is_usable() const;
  [[nodiscard]] Status send_request(BootTime deadline);
  [[nodiscard]] Status send_again(Error const& first, BootTime deadline);
  [[nodiscard]] Status write_request(BootTime deadline);
  [[nodiscard]] Status wait(Ready ready, BootTime deadline);
  [[nodiscard]] Status receive();
  [[nodiscard]] Status take_bytes(std::string_view bytes);
  [[nodiscard]] Status take_end(Error const& gone);
  [[nodiscard]] bool may_resend() const;

  std::string socket_path_;
  Clock const* clock_;
  HttpResponseBounds bounds_;
  os::Fd fd_;
  HttpResponseParser parser_;
  std::string request_;  // kept until a byte of its response is seen
  std::string pending_;
  std::optional<Error> failure_;  // of this response, for whoever reads on
  BootTime send_deadline_;
  State state_ = State::idle;
  bool reused_ = false;  // this request went over a connection that had served another
  bool served_ = false;  // the connection has served a request
};

}  // namespace drover::net
