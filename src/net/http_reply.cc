#include "net/http_reply.h"

#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace drover::net {
namespace {

iovec part(std::string_view bytes) {
  // sendmsg does not write through it.
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

bool has_no_body(int status) {
  return status == 204 || status == 304;
}

}  // namespace

Result<std::string> StreamReply::print_head(int status, Headers const& headers,
                                            std::string_view framing) {
  if (phase_ != Phase::none) return fail(ErrorCode::internal, "a request was answered twice");
  if (status < 200 || status > 599) {
    return fail(ErrorCode::internal, "{} is not the status of an answer", status);
  }
  DROVER_TRY(check_headers(headers));
  if (headers.has_token("Connection", "close")) traits_.keep_alive = false;
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  for (Header const& header : headers) {
    if (iequals(header.name, "Connection")) continue;
    if (iequals(header.name, "Content-Length") || iequals(header.name, "Transfer-Encoding")) {
      return fail(ErrorCode::internal, "header {} is set by the server itself", header.name);
    }
    head.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  head.append(framing);
  if (!traits_.keep_alive) {
    head.append("Connection: close\r\n");
  } else if (traits_.http_1_0) {
    head.append("Connection: keep-alive\r\n");
  }
  head.append("\r\n");
  return head;
}

Task<Status> StreamReply::write_parts(std::vector<iovec> parts) {
  auto written = co_await io_->write(std::move(parts));
  if (!written) phase_ = Phase::lost;
  co_return written;
}

Task<Status> StreamReply::send(int status, Headers headers, std::string body) {
  if (has_no_body(status) && !body.empty()) {
    co_return fail(ErrorCode::internal, "an answer with status {} has no body", status);
  }
  std::string const framing =
      has_no_body(status) ? "" : fmt::format("Content-Length: {}\r\n", body.size());
  auto const head = print_head(status, headers, framing);
  if (!head) co_return std::unexpected(head.error());
  std::vector<iovec> parts;
  parts.push_back(part(*head));
  if (!traits_.to_head) parts.push_back(part(body));
  phase_ = Phase::ended;
  co_return co_await write_parts(std::move(parts));
}

Task<Status> StreamReply::begin_stream(int status, Headers headers) {
  // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
  if (traits_.http_1_0) traits_.keep_alive = false;
  std::string_view const framing = traits_.http_1_0 ? "" : "Transfer-Encoding: chunked\r\n";
  auto const head = print_head(status, headers, framing);
  if (!head) co_return std::unexpected(head.error());
  std::vector<iovec> parts;
  parts.push_back(part(*head));
  phase_ = Phase::streaming;
  co_return co_await write_parts(std::move(parts));
}

Task<Status> StreamReply::write(SharedBytes bytes) {
  std::vector<SharedBytes> buffers;
  buffers.push_back(std::move(bytes));
  co_return co_await write(std::move(buffers));
}

Task<Status> StreamReply::write(std::vector<SharedBytes> buffers) {
  if (phase_ == Phase::lost) co_return fail(ErrorCode::unavailable, "the client is gone");
  if (phase_ != Phase::streaming) {
    co_return fail(ErrorCode::internal, "a stream was written to outside begin_stream and end");
  }
  if (traits_.to_head) co_return fail(ErrorCode::cancelled, "the answer to HEAD has no body");
  std::size_t total = 0;
  std::vector<iovec> parts;
  parts.reserve(buffers.size() + 2);
  parts.push_back({});
  for (SharedBytes const& buffer : buffers) {
    DROVER_CHECK(buffer != nullptr);
    total += buffer->size();
    parts.push_back(part(*buffer));
  }
  if (total == 0) co_return Status{};  // an empty chunk would end the body
  std::string const size_line = fmt::format("{:x}\r\n", total);
  if (!traits_.http_1_0) {
    parts.front() = part(size_line);
    parts.push_back(part("\r\n"));
  }
  co_return co_await write_parts(std::move(parts));
}

Task<Result<TakenConnection>> StreamReply::take_connection() {
  if (phase_ != Phase::none) co_return fail(ErrorCode::internal, "a request was answered twice");
  static constexpr std::string_view kHead = "HTTP/1.1 200 Connection established\r\n\r\n";
  phase_ = Phase::taken;
  std::vector<iovec> parts;
  parts.push_back(part(kHead));
  auto const sent = co_await write_parts(std::move(parts));
  if (!sent) co_return std::unexpected(sent.error());
  TakenConnection taken;
  taken.socket = io_->release();
  taken.received = std::exchange(io_->input(), {});
  if (!taken.socket.valid()) co_return fail(ErrorCode::unavailable, "the client is gone");
  co_return taken;
}

Task<Status> StreamReply::end() {
  if (phase_ == Phase::lost) co_return fail(ErrorCode::unavailable, "the client is gone");
  if (phase_ != Phase::streaming) {
    co_return fail(ErrorCode::internal, "a stream was ended that had not begun");
  }
  phase_ = Phase::ended;
  if (traits_.to_head || traits_.http_1_0) co_return Status{};
  std::vector<iovec> parts;
  parts.push_back(part("0\r\n\r\n"));
  co_return co_await write_parts(std::move(parts));
}

}  // namespace drover::net
