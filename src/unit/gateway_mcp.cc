#include "unit/gateway_mcp.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "net/sse.h"

namespace drover::unit {

namespace {

constexpr std::size_t kBodyBytesMax = std::size_t{8} << 20U;

std::string message_in(json::value const& value, std::string_view fallback) {
  auto const* const object = value.if_object();
  auto const* const error = object == nullptr ? nullptr : object->if_contains("error");
  if (error == nullptr || !error->is_object()) return std::string{fallback};
  return std::string{string_or(error->get_object(), "message", fallback)};
}

// The data of the last event; comments only keep the connection alive.
Result<std::string> last_event(std::string_view body) {
  net::SseParser parser{kBodyBytesMax};
  auto const events = parser.feed(body);
  if (!events) return std::unexpected(events.error());
  if (events->empty()) return fail(ErrorCode::upstream, "the answer was cut off");
  return events->back().data;
}

}  // namespace

Result<json::value> mcp_result_of(net::HttpHead const& head, std::string_view body) {
  auto const* const type = head.headers.find("content-type");
  bool const events = type != nullptr && type->starts_with("text/event-stream");
  Result<std::string> text = events ? last_event(body) : Result<std::string>{std::string{body}};
  if (!text) return std::unexpected(text.error());
  auto value = parse_json(*text);
  if (head.status != 200)
    return fail(
        ErrorCode::upstream, "{}",
        printable(message_in(value ? *value : json::value{},
                             fmt::format("the gateway answered with status {}", head.status)),
                  500));
  if (!value) return std::unexpected(value.error());
  auto* const object = value->if_object();
  auto* const result = object == nullptr ? nullptr : object->if_contains("result");
  if (result != nullptr) return std::move(*result);
  return fail(ErrorCode::upstream, "{}",
              printable(message_in(*value, "the gateway's answer is no reply"), 1'000));
}

Result<json::value> GatewayMcp::ask(std::string_view server, std::string_view method,
                                    json::object const& params) {
  json::object const message{
      {"jsonrpc", "2.0"}, {"id", ++last_id_}, {"method", method}, {"params", params}};
  DROVER_TRY(send(server, json::serialize(message)));
  auto const body = read_body();
  if (!body) return std::unexpected(body.error());
  return mcp_result_of(*client_->head(), *body);
}

Status GatewayMcp::send(std::string_view server, std::string const& body) {
  // A call that was sent may have been made: it is never sent again by itself, as a connection
  // that the server has closed meanwhile would have it.
  client_.reset();
  auto client = net::UnixClient::open(endpoint_->socket_path, *clock_);
  if (!client) return std::unexpected(client.error());
  client_ = *std::move(client);
  net::Headers headers = endpoint_->headers();
  headers.add("Content-Type", "application/json");
  headers.add("Accept", "application/json, text/event-stream");
  return client_->start("POST", fmt::format("/mcp/{}", server), headers, body,
                        clock_->boot_now() + kSendWithin);
}

// Returns when more has come, or the answer has ended.
Status GatewayMcp::wait_more() {
  std::array descriptors{pollfd{client_->fd(), POLLIN, 0}};
  agent::Wake const wake = waiter_->wait(descriptors, clock_->boot_now() + kSilenceMax);
  if (wake == agent::Wake::ready) return client_->on_readable();
  // Closing tells the server that nobody waits for the call.
  client_->close();
  if (wake == agent::Wake::interrupted)
    return fail(ErrorCode::cancelled, "Interrupted: the call was given up.");
  return fail(ErrorCode::timeout, "the gateway was silent for {} s", kSilenceMax.count() / 1000);
}

Result<std::string> GatewayMcp::read_body() {
  std::string body;
  while (client_->head() == nullptr || !client_->done()) {
    DROVER_TRY(wait_more());
    body += client_->take_body();
    if (body.size() > kBodyBytesMax)
      return fail(ErrorCode::too_large, "the answer has more than {} bytes", kBodyBytesMax);
  }
  body += client_->take_body();
  return body;
}

}  // namespace drover::unit
