#include "gateway/json_rpc.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "base/json_text.h"
#include "base/text.h"

namespace drover::gateway {

namespace {

constexpr std::size_t kMethodBytesMax = 200;
constexpr std::size_t kIdBytesMax = 200;
constexpr std::size_t kErrorBytesMax = 4096;

bool is_id(json::value const& value) {
  if (value.is_string()) return value.get_string().size() <= kIdBytesMax;
  return value.is_int64() || value.is_uint64();
}

Status read_call(json::object& object, RpcMessage& message) {
  auto* const method = object.if_contains("method");
  if (!method->is_string() || method->get_string().empty() ||
      method->get_string().size() > kMethodBytesMax)
    return fail(ErrorCode::invalid_argument, "/method: expected a name of at most {} bytes",
                kMethodBytesMax);
  message.method = method->get_string();
  auto* const params = object.if_contains("params");
  if (params == nullptr || params->is_null()) return {};
  if (!params->is_object())
    return fail(ErrorCode::invalid_argument, "/params: expected an object, found {}",
                json_type_name(*params));
  message.params = std::move(params->get_object());
  return {};
}

Status read_reply(json::object& object, RpcMessage& message) {
  message.kind = RpcMessage::Kind::reply;
  auto* const result = object.if_contains("result");
  auto* const error = object.if_contains("error");
  if ((result == nullptr) == (error == nullptr))
    return fail(ErrorCode::invalid_argument, "expected a method, or one of result and error");
  if (result != nullptr) {
    message.result = std::move(*result);
    return {};
  }
  if (!error->is_object()) return fail(ErrorCode::invalid_argument, "/error: expected an object");
  message.error =
      RpcError{integer_or(error->get_object(), "code", kRpcInternal),
               std::string{utf8_prefix(string_or(error->get_object(), "message", "no message"),
                                       kErrorBytesMax)}};
  return {};
}

json::object envelope() {
  return {{"jsonrpc", "2.0"}};
}

void append_canonical(std::string& out, json::value const& value) {
  if (value.is_object()) {
    std::vector<std::string_view> keys;
    for (auto const& member : value.get_object())
      keys.emplace_back(member.key());
    std::ranges::sort(keys);
    out += '{';
    for (std::string_view const key : keys) {
      if (out.back() != '{') out += ',';
      append_json_string(out, key);
      out += ':';
      append_canonical(out, value.get_object().at(key));
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (json::value const& item : value.get_array()) {
      if (out.back() != '[') out += ',';
      append_canonical(out, item);
    }
    out += ']';
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

Result<RpcMessage> parse_rpc(std::string_view text) {
  if (text.size() > kRpcBytesMax)
    return fail(ErrorCode::too_large, "a message has {} bytes, over the limit of {}", text.size(),
                kRpcBytesMax);
  auto value = parse_json(text, {.bytes_max = kRpcBytesMax, .depth_max = 64});
  if (!value) return std::unexpected(value.error());
  if (!value->is_object())
    return fail(ErrorCode::invalid_argument, "expected one message, an object, found {}",
                json_type_name(*value));
  json::object& object = value->get_object();
  if (string_or(object, "jsonrpc", "") != "2.0")
    return fail(ErrorCode::invalid_argument, "/jsonrpc: expected \"2.0\"");
  RpcMessage message;
  auto const* const id = object.if_contains("id");
  if (id != nullptr && !id->is_null()) {
    if (!is_id(*id))
      return fail(ErrorCode::invalid_argument, "/id: expected an integer or a short text");
    message.id = *id;
  }
  if (!object.contains("method")) {
    DROVER_TRY(read_reply(object, message));
    return message;
  }
  if (!message.id.is_null()) message.kind = RpcMessage::Kind::request;
  DROVER_TRY(read_call(object, message));
  return message;
}

std::string print_rpc_request(std::int64_t id, std::string_view method,
                              json::object const& params) {
  json::object out = envelope();
  out["id"] = id;
  out["method"] = method;
  out["params"] = params;
  return json::serialize(out);
}

std::string print_rpc_notification(std::string_view method, json::object const& params) {
  json::object out = envelope();
  out["method"] = method;
  if (!params.empty()) out["params"] = params;
  return json::serialize(out);
}

std::string print_rpc_result(json::value const& id, json::value result) {
  json::object out = envelope();
  out["id"] = id;
  out["result"] = std::move(result);
  return json::serialize(out);
}

std::string print_rpc_error(json::value const& id, RpcError const& error) {
  json::object out = envelope();
  out["id"] = id;
  out["error"] = json::object{{"code", error.code}, {"message", json::string{error.message}}};
  return json::serialize(out);
}

std::string canonical_json(json::value const& value) {
  std::string out;
  append_canonical(out, value);
  return out;
}

}  // namespace drover::gateway
