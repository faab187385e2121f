#pragma once
// An incremental HTTP/1.1 response parser (RFC 9112): bytes in any cut, head and body out. Pure and
// strict, because what it reads decides where the next response starts: CRLF only, no folded
// headers, one framing (Content-Length or chunked, never both). Not thread-safe.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http_types.h"

namespace drover::net {

struct HttpResponseBounds {
  std::size_t head_bytes_max = std::size_t{32} << 10U;  // status line and headers, also trailers
  std::size_t headers_max = 100;
  std::size_t chunk_line_bytes_max = 256;  // size and extensions
  int interim_max = 8;                     // 1xx responses before the real one
};

enum class ResponseTo : std::uint8_t { get, head };  // a response to HEAD has no body

class HttpResponseParser {
 public:
  explicit HttpResponseParser(ResponseTo to = ResponseTo::get, HttpResponseBounds bounds = {})
      : bounds_(bounds), to_(to) {}

  // Takes bytes up to the end of this response and appends what is body to `body`. Gives how many
  // were taken: fewer than all only when the response is complete. Errors: upstream (not HTTP, or
  // ambiguous), too_large (a bound); the parser is then of no further use.
  [[nodiscard]] Result<std::size_t> feed(std::string_view bytes, std::string& body);
  // The peer closed: completes a body that is delimited so, and is upstream for any other that is
  // not complete.
  [[nodiscard]] Status finish();

  [[nodiscard]] bool started() const { return started_; }  // a byte of the response was seen
  [[nodiscard]] bool head_done() const { return head_done_; }
  [[nodiscard]] bool done() const { return state_ == State::done; }
  [[nodiscard]] HttpHead const& head() const { return head_; }  // complete once head_done()
  // Whether the connection can carry another request once done().
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }

 private:
  enum class State : std::uint8_t {
    head,
    length_body,
    close_body,
    chunk_size,
    chunk_data,
    chunk_end,
    trailers,
    done,
    failed
  };

  [[nodiscard]] Result<std::size_t> step(std::string_view bytes, std::string& body);
  // Collects into line_ up to and with `end`; true once it is there. `taken` counts the bytes used.
  [[nodiscard]] Result<bool> collect(std::string_view bytes, std::string_view end,
                                     std::size_t bytes_max, std::string_view what,
                                     std::size_t& taken);
  [[nodiscard]] Status take_head(std::string_view text);
  [[nodiscard]] Status take_status_line(std::string_view line);
  [[nodiscard]] Status take_header_line(std::string_view line);
  [[nodiscard]] Status choose_framing();
  [[nodiscard]] Status take_chunk_size(std::string_view line);

  HttpResponseBounds bounds_;
  HttpHead head_;
  std::string line_;  // the head, chunk line or trailer as far as it has come
  std::uint64_t body_left_ = 0;
  std::size_t trailer_bytes_ = 0;
  int interim_seen_ = 0;
  ResponseTo to_;
  State state_ = State::head;
  bool started_ = false;
  bool head_done_ = false;
  bool keep_alive_ = false;
  bool http_1_0_ = false;
};

}  // namespace drover::net
