#pragma once
// JSON-RPC 2.0 as MCP speaks it: one message at a time, params an object. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/json.h"

namespace drover::gateway {

// Of one message, either way; a tool's result too.
inline constexpr std::size_t kRpcBytesMax = std::size_t{4} << 20U;

struct RpcError {
  std::int64_t code = 0;
  std::string message;
};
inline constexpr std::int64_t kRpcParseError = -32700;
inline constexpr std::int64_t kRpcInvalidRequest = -32600;
inline constexpr std::int64_t kRpcNoMethod = -32601;
inline constexpr std::int64_t kRpcInvalidParams = -32602;
inline constexpr std::int64_t kRpcInternal = -32603;

struct RpcMessage {
  enum class Kind : std::uint8_t { request, notification, reply };
  Kind kind = Kind::notification;
  json::value
      id;  // a text or an integer; null of a notification, and of a reply to nobody knows what
  std::string method;
  json::object params;
  std::optional<RpcError> error;  // of a reply; without it `result` counts
  json::value result;
};

// invalid_argument says what is wrong, too_large above kRpcBytesMax. Arrays of messages were taken
// out of MCP, and are refused.
[[nodiscard]] Result<RpcMessage> parse_rpc(std::string_view text);

// One line each, without its end.
[[nodiscard]] std::string print_rpc_request(std::int64_t id, std::string_view method,
                                            json::object const& params);
[[nodiscard]] std::string print_rpc_notification(std::string_view method,
                                                 json::object const& params);
[[nodiscard]] std::string print_rpc_result(json::value const& id, json::value result);
[[nodiscard]] std::string print_rpc_error(json::value const& id, RpcError const& error);

// The same for each order of members: what a digest is made of.
[[nodiscard]] std::string canonical_json(json::value const& value);

}  // namespace drover::gateway
