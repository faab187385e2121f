#include "cli/api_client.h"

#include <fmt/format.h>

#include <array>

#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "net/blocking_http.h"

namespace drover::cli {

namespace {

constexpr Millis kConnectTimeout{3'000};
constexpr Millis kAnswerTimeout{60'000};  // a land or a large diff takes its time
constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20U;

constexpr std::array kCodes = {
    ErrorCode::invalid_argument, ErrorCode::unauthenticated,  ErrorCode::forbidden,
    ErrorCode::not_found,        ErrorCode::conflict,         ErrorCode::too_large,
    ErrorCode::rate_limited,     ErrorCode::budget_exhausted, ErrorCode::unavailable,
    ErrorCode::timeout,          ErrorCode::cancelled,        ErrorCode::unsupported,
    ErrorCode::no_space,         ErrorCode::data_corrupt,     ErrorCode::upstream,
    ErrorCode::internal};

ErrorCode code_of(std::string_view name, int status) {
  if (auto const code = parse_error_code(name)) return *code;
  for (ErrorCode const code : kCodes)
    if (http_status(code) == status) return code;
  return status >= 500 ? ErrorCode::upstream : ErrorCode::invalid_argument;
}

Result<json::object> object_of(net::HttpResponse const& response) {
  if (response.status < 200 || response.status > 299)
    return std::unexpected(error_of_answer(response.status, response.body));
  if (trim(response.body).empty()) return json::object{};
  auto value = parse_json(response.body, {.bytes_max = kAnswerBytesMax});
  if (!value)
    return fail(ErrorCode::upstream, "the server's answer cannot be read: {}",
                value.error().message);
  if (!value->is_object())
    return fail(ErrorCode::upstream, "the server's answer is no JSON object");
  return std::move(value->get_object());
}

}  // namespace

Error error_of_answer(int status, std::string_view body) {
  auto const value = parse_json(body);
  json::value const* inner = nullptr;
  if (value && value->is_object()) inner = value->get_object().if_contains("error");
  if (inner == nullptr || !inner->is_object())
    return {code_of("", status),
            fmt::format("the server answered with status {} and no reason", status),
            "is it a drover server?"};
  json::object const& error = inner->get_object();
  std::string message = printable(string_or(error, "message", "no reason given"), 2000);
  std::string const pointer = printable(string_or(error, "pointer", ""), 200);
  if (!pointer.empty() && !message.contains(pointer)) message = pointer + ": " + message;
  if (auto const* conflicts = error.if_contains("conflicts");
      conflicts != nullptr && conflicts->is_array()) {
    std::string separator = ": ";
    for (json::value const& path : conflicts->get_array()) {
      if (!path.is_string()) continue;
      message += separator + printable(std::string_view{path.get_string()}, 500);
      separator = ", ";
    }
  }
  return {code_of(string_or(error, "code", ""), status), std::move(message),
          printable(string_or(error, "next", ""), 1000)};
}

ApiClient::ApiClient(Endpoint endpoint, std::atomic<bool> const* abort)
    : endpoint_(std::move(endpoint)), http_(std::make_unique<net::BlockingHttp>(abort)) {}
ApiClient::~ApiClient() = default;
ApiClient::ApiClient(ApiClient&&) noexcept = default;
ApiClient& ApiClient::operator=(ApiClient&&) noexcept = default;

net::ClientRequest ApiClient::make(std::string_view method, std::string_view path) const {
  net::ClientRequest request;
  request.method = method;
  request.url = fmt::format("{}{}", endpoint_.url, path);
  request.headers.add("Authorization", "Bearer " + endpoint_.token.reveal());
  request.timeouts = {.connect = kConnectTimeout,
                      .head = kAnswerTimeout,
                      .idle = kAnswerTimeout,
                      .total = Millis{0}};
  request.body_bytes_max = kAnswerBytesMax;
  return request;
}

Error ApiClient::unreachable(Error error) const {
  if (error.code == ErrorCode::unavailable)
    return {ErrorCode::unavailable,
            fmt::format("the drover server at {} does not answer ({})",
                        net::url_for_people(endpoint_.url), error.message),
            endpoint_.source == EndpointSource::user ? "check the address"
                                                     : "start it with: drover up"};
  return error;
}

Result<json::object> ApiClient::get(std::string_view path) {
  auto const response = http_->request(make("GET", fmt::format("{}{}", kApi, path)));
  if (!response) return std::unexpected(unreachable(response.error()));
  return object_of(*response);
}

Result<json::object> ApiClient::post(std::string_view path, json::object const& body,
                                     std::string_view idempotency_key) {
  auto request = make("POST", fmt::format("{}{}", kApi, path));
  request.headers.add("Content-Type", "application/json");
  if (!idempotency_key.empty())
    request.headers.add("Idempotency-Key", std::string{idempotency_key});
  request.body = json::serialize(body);
  auto const response = http_->request(request);
  if (!response) return std::unexpected(unreachable(response.error()));
  return object_of(*response);
}

Result<json::object> ApiClient::put(std::string_view path, json::object const& body) {
  auto request = make("PUT", fmt::format("{}{}", kApi, path));
  request.headers.add("Content-Type", "application/json");
  request.body = json::serialize(body);
  auto const response = http_->request(request);
  if (!response) return std::unexpected(unreachable(response.error()));
  return object_of(*response);
}

Status ApiClient::remove(std::string_view path) {
  auto const response = http_->request(make("DELETE", fmt::format("{}{}", kApi, path)));
  if (!response) return std::unexpected(unreachable(response.error()));
  if (response->status < 200 || response->status > 299)
    return std::unexpected(error_of_answer(response->status, response->body));
  return {};
}

Status ApiClient::ready(Millis deadline) {
  auto request = make("GET", "/readyz");
  // Whoever listens there may not be the server that wrote the file; readiness needs no token.
  request.headers = {};
  request.timeouts.total = deadline;
  auto const response = http_->request(request);
  if (!response) return std::unexpected(unreachable(response.error()));
  if (response->status == 200) return {};
  // It answers, and says with every refusal that its disk is full: no reason to start another.
  auto const body = parse_json(response->body);
  if (body && body->is_object() && string_or(body->get_object(), "status", "") == "no_space")
    return {};
  return fail(ErrorCode::unavailable, "the drover server at {} is not ready (status {})",
              net::url_for_people(endpoint_.url), response->status);
}

Status ApiClient::stream(std::string_view path, std::string_view last, StreamPatience patience,
                         std::function<net::StreamStep(std::string_view)> const& on_bytes) {
  auto request = make("GET", fmt::format("{}{}", kApi, path));
  request.headers.add("Accept", "text/event-stream");
  if (!last.empty()) request.headers.add("Last-Event-ID", std::string{last});
  request.timeouts.head = patience.head;
  request.timeouts.idle = patience.idle;
  auto const response = http_->stream(request, on_bytes);
  if (!response) return std::unexpected(unreachable(response.error()));
  if (response->status < 200 || response->status > 299)
    return std::unexpected(error_of_answer(response->status, response->body));
  return {};
}

}  // namespace drover::cli
