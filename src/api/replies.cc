#include "api/replies.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "base/schema.h"
#include "base/text.h"
#include "contract/invocation.h"

namespace drover::api {

namespace {

constexpr std::string_view kNobodysActor = "integration:api";  // of requests that name nobody
constexpr std::size_t kActorBytesMax = 200;

constexpr std::int64_t kLimitDefault = 50;
constexpr std::int64_t kLimitMax = 200;

}  // namespace

Task<Status> reply_json(net::HttpReply& reply, int status, json::object body,
                        net::Headers headers) {
  headers.add("content-type", "application/json");
  headers.add("cache-control", "no-store");
  co_return co_await reply.send(status, std::move(headers), json::serialize(body));
}

Task<Status> reply_error(net::HttpReply& reply, Error error) {
  json::object inner{{"code", to_string(error.code)}, {"message", json::string{error.message}}};
  if (!error.next.empty()) inner["next"] = json::string{error.next};
  std::string_view const pointer = error_pointer(error);
  if (!pointer.empty()) inner["pointer"] = pointer;
  net::Headers headers;
  if (error.code == ErrorCode::unauthenticated) headers.add("www-authenticate", "Bearer");
  json::object body{{"error", std::move(inner)}};
  co_return co_await reply_json(reply, http_status(error.code), std::move(body),
                                std::move(headers));
}

std::string query_text(net::HttpRequest const& request, std::string_view name) {
  auto const found = request.query.find(name);
  return found == request.query.end() ? std::string{} : found->second;
}

Result<std::int64_t> limit_of(net::HttpRequest const& request) {
  auto const found = request.query.find("limit");
  if (found == request.query.end()) return kLimitDefault;
  std::string const& text = found->second;
  std::int64_t limit = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc{} || end != text.data() + text.size() || limit < 1 || limit > kLimitMax)
    return fail(ErrorCode::invalid_argument, "limit is a number from 1 to {}, not '{}'", kLimitMax,
                printable(text, 20));
  return limit;
}

Result<std::optional<std::int64_t>> revision_of(net::HttpRequest const& request) {
  std::string const text = query_text(request, "revision");
  if (text.empty()) return std::nullopt;
  std::int64_t revision = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), revision);
  if (error != std::errc{} || end != text.data() + text.size() || revision < 0)
    return fail(ErrorCode::invalid_argument, "revision is a number from 0 up, not '{}'",
                printable(text, 40));
  return revision;
}

Status take_key(net::HttpRequest const& request, std::optional<std::string>& key) {
  auto const* const header = request.header("idempotency-key");
  if (header == nullptr) return {};
  if (key && *key != *header)
    return fail(ErrorCode::invalid_argument,
                "/idempotency_key: the header Idempotency-Key says another");
  if (header->empty() || header->size() > 200)
    return fail(ErrorCode::invalid_argument, "an idempotency key has 1 to 200 bytes");
  key = *header;
  return {};
}

Status only_query(net::HttpRequest const& request, std::initializer_list<std::string_view> known) {
  for (auto const& [name, value] : request.query)
    if (std::ranges::find(known, name) == known.end())
      return fail(ErrorCode::invalid_argument, "there is no query parameter '{}' here",
                  printable(name, 40));
  return {};
}

Result<json::array> only_list(net::HttpRequest const& request, std::string_view name) {
  auto body = parse_json(request.body);
  if (!body) return std::unexpected(body.error());
  auto* const object = body->if_object();
  if (object == nullptr || object->size() != 1 || !object->contains(name) ||
      !object->at(name).is_array())
    return fail(ErrorCode::invalid_argument, "/{}: the body is an object with one list, {}", name,
                name);
  return std::move(object->at(name).as_array());
}

Result<std::string> actor_of(Call const& call) {
  if (!call.session_actor.empty()) return call.session_actor;
  std::string const text = query_text(call.request, "actor");
  if (text.empty()) return std::string{kNobodysActor};
  auto const actor = contract::parse_launcher(text);
  if (!actor || text.size() > kActorBytesMax || !is_utf8(text))
    return fail(ErrorCode::invalid_argument,
                "actor is user:NAME, schedule:ID or integration:NAME, of at most {} bytes, not "
                "'{}'",
                kActorBytesMax, printable(text, 40));
  return text;
}

}  // namespace drover::api
