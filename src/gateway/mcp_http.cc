#include "gateway/mcp_http.h"

#include <fmt/format.h>

#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "base/text.h"
#include "gateway/stream_filter.h"
#include "gateway/upstream_request.h"

namespace drover::gateway {

namespace {

constexpr std::string_view kSessionHeader = "mcp-session-id";
constexpr std::size_t kSessionBytesMax = 1024;
// Of all events of one answer; what is not the reply is passed over.
constexpr std::size_t kStreamBytesMax = std::size_t{16} << 20U;
constexpr Millis kCloseWithin{5'000};

}  // namespace

Result<std::optional<RpcMessage>> RpcReplyFinder::take(std::string_view text) {
  auto message = parse_rpc(text);
  if (!message)
    return fail(ErrorCode::upstream, "what came is no message: {}", message.error().message);
  bool const is_reply = message->kind == RpcMessage::Kind::reply;
  auto const* const id = message->id.if_int64();
  // An error without an id is of a message that the server could not read.
  bool const is_ours = (id != nullptr && *id == id_) || (message->id.is_null() && message->error);
  if (!is_reply || !is_ours) return std::nullopt;
  return *std::move(message);
}

Result<std::optional<RpcMessage>> RpcReplyFinder::feed(std::string_view bytes) {
  seen_ += bytes.size();
  if (seen_ > (form_ == Form::json ? kRpcBytesMax : kStreamBytesMax))
    return fail(ErrorCode::too_large, "the answer has more than {} bytes", seen_ - bytes.size());
  if (form_ == Form::json) {
    held_ += bytes;
    return std::nullopt;
  }
  auto const events = events_.feed(bytes);
  if (!events) return std::unexpected(events.error());
  for (net::SseEvent const& event : *events) {
    if (event.data.empty()) continue;  // only an id, to resume from
    auto found = take(event.data);
    if (!found || *found) return found;
  }
  return std::nullopt;
}

Result<std::optional<RpcMessage>> RpcReplyFinder::finish() {
  if (form_ == Form::events) return std::nullopt;
  return take(held_);
}

net::ClientRequest McpHttp::request_of(std::string method, std::string body, Millis within) const {
  net::ClientRequest request;
  request.method = std::move(method);
  request.url = server_.url;
  request.headers = {{"content-type", "application/json"},
                     {"accept", "application/json, text/event-stream"}};
  add_key(request.headers, server_.key_header, key_);
  if (!session_.empty()) request.headers.add(std::string{kSessionHeader}, session_);
  if (!version_.empty()) request.headers.add("mcp-protocol-version", version_);
  request.body = std::move(body);
  request.ca_file = server_.ca_file;
  request.timeouts = {
      .connect = server_.timeouts.start, .head = within, .idle = within, .total = within};
  return request;
}

Task<Result<RpcMessage>> McpHttp::request(McpRequest request) {
  std::int64_t const id = ++last_id_;
  auto opened = co_await client_.open(
      request_of("POST", print_rpc_request(id, request.method, request.params), request.within));
  if (!opened) co_return std::unexpected(opened.error());
  net::HttpHead const& head = (*opened)->head();
  // A session that the server has forgotten is begun anew with the next call.
  if (head.status == 404 && !session_.empty()) broken_ = true;
  if (head.status != 200) co_return co_await read_refusal(*std::move(opened));
  auto const* const session = head.headers.find(kSessionHeader);
  if (session != nullptr && session_.empty() && session->size() <= kSessionBytesMax)
    session_ = *session;
  co_return co_await read_reply(*std::move(opened), id, std::move(request.cancel));
}

Task<Result<RpcMessage>> McpHttp::read_reply(std::unique_ptr<net::ResponseStream> stream,
                                             std::int64_t id, McpCancelPtr cancel) {
  auto const* const type = stream->head().headers.find("content-type");
  bool const events = type != nullptr && type->starts_with("text/event-stream");
  RpcReplyFinder finder{events ? RpcReplyFinder::Form::events : RpcReplyFinder::Form::json, id};
  for (;;) {
    auto const piece = co_await stream->read();
    if (cancel && cancel->cancelled)
      co_return fail(ErrorCode::cancelled, "nobody waits for the answer");
    if (!piece) co_return std::unexpected(piece.error());
    auto found = *piece ? finder.feed(**piece) : finder.finish();
    if (!found) co_return std::unexpected(found.error());
    if (*found) co_return *std::move(*found);
    if (!*piece)
      co_return fail(ErrorCode::upstream, "the MCP server {} did not answer what it was asked",
                     server_.name);
  }
}

Task<Result<RpcMessage>> McpHttp::read_refusal(std::unique_ptr<net::ResponseStream> stream) {
  int const status = stream->head().status;
  auto body = co_await stream->read();
  std::string said;
  if (body && *body) said = printable(KeyFilter::clean(std::move(**body), key_), 200);
  co_return fail(ErrorCode::upstream, "the MCP server {} answered with status {}{}{}", server_.name,
                 status, said.empty() ? "" : ": ", said);
}

Task<Status> McpHttp::notify(std::string method) {
  json::object nothing;
  auto const sent = co_await client_.send(
      request_of("POST", print_rpc_notification(method, nothing), server_.timeouts.start));
  if (!sent) co_return std::unexpected(sent.error());
  if (sent->status >= 300)
    co_return fail(ErrorCode::upstream, "the MCP server {} answered with status {}", server_.name,
                   sent->status);
  co_return Status{};
}

Task<void> McpHttp::close() {
  broken_ = true;
  if (session_.empty()) co_return;
  // Not every server lets its clients end a session.
  auto const ended = co_await client_.send(request_of("DELETE", "", kCloseWithin));
  if (!ended)
    log::debug("mcp-session-left", {{"server", server_.name}, {"reason", ended.error().text()}});
}

}  // namespace drover::gateway
