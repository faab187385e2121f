#include "runtime/engine_client.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "os/files.h"
#include "runtime/engine_replies.h"

namespace drover::runtime {

namespace {

constexpr Millis kConnectLimit{10'000};

Error closed(EngineClient::Call const& call) {
  return {ErrorCode::cancelled,
          fmt::format("the container engine was not asked to {}: drover ends", call.what),
          {}};
}

}  // namespace

net::ClientRequest EngineClient::request_of(Call const& call) const {
  net::ClientRequest request;
  request.method = call.method;
  request.url = address_.url;
  if (!version_.empty()) request.url += "/v" + version_;
  request.url += call.path;
  if (!call.body.empty()) request.headers.add("Content-Type", "application/json");
  request.body = call.body;
  request.timeouts.connect = kConnectLimit;
  request.timeouts.head = call.limit;
  request.timeouts.idle = call.limit;
  request.unix_socket = address_.unix_socket;
  request.ca_file = address_.ca_file;
  request.certificate_file = address_.certificate_file;
  request.key_file = address_.key_file;
  request.body_bytes_max = kEngineReplyBytesMax;
  return request;
}

Error EngineClient::unreachable(Call const& call, Error const& cause) const {
  if (cause.code != ErrorCode::unavailable)
    return {cause.code,
            fmt::format("the container engine at {} could not {}: {}", printable(address_.text),
                        call.what, cause.message),
            cause.next};
  bool const nothing = !address_.unix_socket.empty() && !os::exists(address_.unix_socket);
  return {ErrorCode::unavailable,
          fmt::format("no container engine answers at {}: {}", printable(address_.text),
                      nothing ? "there is no such socket" : cause.message),
          "start it and let drover's user use it, or name another with DROVER_DOCKER_HOST"};
}

Task<Result<std::string>> EngineClient::send(Call call) {
  if (!http_) co_return std::unexpected(closed(call));
  auto request = request_of(call);
  auto const response = co_await http_->send(std::move(request));
  if (!response) co_return std::unexpected(unreachable(call, response.error()));
  if (response->status >= 400)
    co_return std::unexpected(engine_refusal(call.what, response->status, response->body));
  co_return response->body;
}

Task<Result<std::unique_ptr<net::ResponseStream>>> EngineClient::open(Call call) {
  if (!http_) co_return std::unexpected(closed(call));
  auto request = request_of(call);
  request.timeouts.idle = Millis{0};  // events come when they come
  auto opened = co_await http_->open(std::move(request));
  if (!opened) co_return std::unexpected(unreachable(call, opened.error()));
  int const status = (*opened)->head().status;
  if (status < 400) co_return std::move(*opened);
  auto const body = co_await (*opened)->read();
  std::string const said = body && *body ? **body : std::string{};
  co_return std::unexpected(engine_refusal(call.what, status, said));
}

}  // namespace drover::runtime
