#include "net/http_response_parser.h"

#include <algorithm>

#include "base/text.h"

namespace drover::net {
namespace {

constexpr std::size_t kChunkSizeDigitsMax = 15;  // so that no chunk size overflows 64 bits
constexpr std::size_t kLengthDigitsMax = 18;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::upstream, "the response is not valid HTTP/1.1: {}", what);
}

}  // namespace

Result<std::size_t> HttpResponseParser::feed(std::string_view bytes, std::string& body) {
  if (state_ == State::failed) return malformed("an earlier part of it was refused");
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ != State::done) {
    started_ = true;
    auto used = step(bytes.substr(taken), body);
    if (!used) {
      state_ = State::failed;
      return used;
    }
    taken += *used;
  }
  return taken;
}

Result<std::size_t> HttpResponseParser::step(std::string_view bytes, std::string& body) {
  std::size_t taken = 0;
  switch (state_) {
    case State::head: {
      auto complete =
          collect(bytes, "\r\n\r\n", bounds_.head_bytes_max, "the response head", taken);
      if (!complete) return std::unexpected(complete.error());
      if (!*complete) return taken;
      std::string const text = std::move(line_);
      line_.clear();
      DROVER_TRY(take_head(text));
      return taken;
    }
    case State::length_body:
    case State::chunk_data: {
      taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), body_left_));
      body.append(bytes.substr(0, taken));
      body_left_ -= taken;
      if (body_left_ == 0) state_ = state_ == State::length_body ? State::done : State::chunk_end;
      return taken;
    }
    case State::close_body:
      body.append(bytes);
      return bytes.size();
    case State::chunk_size: {
      auto complete = collect(bytes, "\r\n", bounds_.chunk_line_bytes_max, "a chunk size", taken);
      if (!complete) return std::unexpected(complete.error());
      if (!*complete) return taken;
      std::string const text = std::move(line_);
      line_.clear();
      DROVER_TRY(take_chunk_size(std::string_view{text}.substr(0, text.size() - 2)));
      return taken;
    }
    case State::chunk_end: {
      auto complete = collect(bytes, "\r\n", 2, "the end of a chunk", taken);
      if (!complete) return malformed("a chunk is longer than its size");
      if (*complete) {
        line_.clear();
        state_ = State::chunk_size;
      }
      return taken;
    }
    case State::trailers: {
      auto complete = collect(bytes, "\r\n", bounds_.head_bytes_max - trailer_bytes_,
                              "the trailer section", taken);
      if (!complete) return std::unexpected(complete.error());
      if (!*complete) return taken;
      trailer_bytes_ += line_.size();
      if (line_.size() == 2) state_ = State::done;
      line_.clear();
      return taken;
    }
    case State::done:
    case State::failed:
      break;
  }
  return taken;
}

Result<bool> HttpResponseParser::collect(std::string_view bytes, std::string_view end,
                                         std::size_t bytes_max, std::string_view what,
                                         std::size_t& taken) {
  std::size_t const held = line_.size();
  // The end may have begun in the bytes that came before.
  std::size_t const overlap = std::min(held, end.size() - 1);
  std::size_t const room = bytes_max - std::min(bytes_max, held);
  line_.append(bytes.substr(0, room));
  std::size_t const found = line_.find(end, held - overlap);
  if (found != std::string::npos) {
    line_.resize(found + end.size());
    taken = line_.size() - held;
    return true;
  }
  if (line_.size() >= bytes_max) {
    return fail(ErrorCode::too_large, "{} is longer than {} bytes", what, bytes_max);
  }
  taken = line_.size() - held;
  return false;
}

Status HttpResponseParser::take_head(std::string_view text) {
  head_ = {};
  text.remove_suffix(2);  // each line now ends with its own CRLF
  bool first = true;
  while (!text.empty()) {
    std::size_t const end = text.find("\r\n");
    std::string_view const line = text.substr(0, end);
    text.remove_prefix(end + 2);
    Status taken = first ? take_status_line(line) : take_header_line(line);
    if (!taken) return taken;
    first = false;
  }
  if (head_.status == 101) return malformed("it switches to a protocol that nobody asked for");
  if (head_.status < 200) {
    if (++interim_seen_ > bounds_.interim_max) return malformed("too many interim responses");
    return {};  // the real one follows
  }
  return choose_framing();
}

Status HttpResponseParser::take_status_line(std::string_view line) {
  bool const version = line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ");
  if (!version) return malformed("the status line is '" + printable(line, 40) + "'");
  http_1_0_ = line[7] == '0';
  std::string_view const code = line.substr(9, 3);
  bool const three_digits = code.size() == 3 && std::ranges::all_of(code, is_digit) &&
                            code.front() != '0' && (line.size() == 12 || line[12] == ' ');
  if (!three_digits || !is_header_value(line)) {
    return malformed("the status line is '" + printable(line, 40) + "'");
  }
  head_.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  return {};
}

Status HttpResponseParser::take_header_line(std::string_view line) {
  if (head_.headers.size() >= bounds_.headers_max) {
    return fail(ErrorCode::too_large, "the response has more than {} headers", bounds_.headers_max);
  }
  std::size_t const colon = line.find(':');
  // is_token also refuses a folded line and a space before the colon.
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return malformed("'" + printable(line, 40) + "' is not a header");
  }
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ') || value.starts_with('\t'))
    value.remove_prefix(1);
  while (value.ends_with(' ') || value.ends_with('\t'))
    value.remove_suffix(1);
  if (!is_header_value(value)) {
    return malformed("header " + printable(line.substr(0, colon), 40) +
                     " holds a control character");
  }
  head_.headers.add(std::string{line.substr(0, colon)}, std::string{value});
  return {};
}

Status HttpResponseParser::choose_framing() {
  keep_alive_ = http_1_0_ ? head_.headers.has_token("Connection", "keep-alive")
                          : !head_.headers.has_token("Connection", "close");
  std::string const* const coding = head_.headers.find("Transfer-Encoding");
  std::string const* const length = head_.headers.find("Content-Length");
  if (coding != nullptr && length != nullptr) {
    return malformed("it has both Content-Length and Transfer-Encoding");
  }
  if (head_.headers.count("Content-Length") > 1 || head_.headers.count("Transfer-Encoding") > 1) {
    return malformed("it gives its length twice");
  }
  std::uint64_t content_length = 0;
  if (length != nullptr) {
    bool const number = !length->empty() && length->size() <= kLengthDigitsMax &&
                        std::ranges::all_of(*length, is_digit);
    if (!number) return malformed("Content-Length is '" + printable(*length, 40) + "'");
    content_length = std::stoull(*length);
  }
  if (coding != nullptr && (http_1_0_ || !iequals(*coding, "chunked"))) {
    return malformed("Transfer-Encoding is '" + printable(*coding, 40) + "'");
  }
  head_done_ = true;
  bool const no_body = to_ == ResponseTo::head || head_.status == 204 || head_.status == 304;
  if (no_body) {
    state_ = State::done;
  } else if (coding != nullptr) {
    state_ = State::chunk_size;
  } else if (length != nullptr) {
    body_left_ = content_length;
    state_ = content_length == 0 ? State::done : State::length_body;
  } else {
    keep_alive_ = false;
    state_ = State::close_body;
  }
  return {};
}

Status HttpResponseParser::take_chunk_size(std::string_view line) {
  std::string_view const digits = line.substr(0, line.find_first_of("; \t"));
  std::uint64_t size = 0;
  bool valid = !digits.empty() && digits.size() <= kChunkSizeDigitsMax && is_header_value(line);
  for (char c : digits) {
    std::size_t const value = std::string_view{"0123456789abcdefABCDEF"}.find(c);
    if (value == std::string_view::npos) valid = false;
    size = size * 16 + (value < 16 ? value : value - 6);
    if (!valid) break;
  }
  if (!valid) return malformed("a chunk size is '" + printable(line, 40) + "'");
  body_left_ = size;
  state_ = size == 0 ? State::trailers : State::chunk_data;
  return {};
}

Status HttpResponseParser::finish() {
  if (state_ == State::close_body) state_ = State::done;
  if (state_ == State::done) return {};
  state_ = State::failed;
  return fail(ErrorCode::upstream, "the connection was closed before the response was complete");
}

}  // namespace drover::net
