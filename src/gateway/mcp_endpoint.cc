#include "gateway/mcp_endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::gateway {

namespace {

constexpr std::array<std::string_view, 4> kVersions = {"2025-11-25", "2025-06-18", "2025-03-26",
                                                       "2024-11-05"};
constexpr std::string_view kUsualVersion = "2025-06-18";
constexpr std::size_t kToolNameBytesMax = 128;

McpAsk answered(std::string answer) {
  McpAsk ask;
  ask.kind = McpAsk::Kind::answer;
  ask.answer = std::move(answer);
  return ask;
}

McpAsk refused(json::value const& id, std::int64_t code, std::string message) {
  return answered(print_rpc_error(id, {code, std::move(message)}));
}

// There is no state to begin: any unit may call at once.
json::object welcome(json::object const& params) {
  auto const wanted = string_or(params, "protocolVersion", "");
  bool const known = std::ranges::find(kVersions, wanted) != kVersions.end();
  return {{"protocolVersion", known ? wanted : kUsualVersion},
          {"capabilities", json::object{{"tools", json::object{}}}},
          {"serverInfo", json::object{{"name", "drover"}, {"version", DROVER_VERSION}}}};
}

McpAsk read_call(RpcMessage message) {
  auto const* const name = message.params.if_contains("name");
  bool const named = name != nullptr && name->is_string() && !name->get_string().empty() &&
                     name->get_string().size() <= kToolNameBytesMax;
  if (!named)
    return refused(message.id, kRpcInvalidParams,
                   fmt::format("/params/name: expected the name of a tool, of at most {} bytes",
                               kToolNameBytesMax));
  McpAsk ask;
  ask.kind = McpAsk::Kind::call;
  ask.id = std::move(message.id);
  ask.tool = name->get_string();
  auto* const arguments = message.params.if_contains("arguments");
  if (arguments == nullptr || arguments->is_null()) return ask;
  if (!arguments->is_object())
    return refused(ask.id, kRpcInvalidParams, "/params/arguments: expected an object");
  ask.arguments = std::move(arguments->get_object());
  return ask;
}

}  // namespace

McpAsk read_mcp_ask(std::string_view body) {
  auto message = parse_rpc(body);
  if (!message)
    return refused(
        {}, message.error().code == ErrorCode::too_large ? kRpcInvalidRequest : kRpcParseError,
        message.error().message);
  // A unit has nothing that a server could ask for, so no reply is expected of it.
  if (message->kind != RpcMessage::Kind::request) return {};
  if (message->method == "initialize")
    return answered(print_rpc_result(message->id, welcome(message->params)));
  if (message->method == "ping") return answered(print_rpc_result(message->id, json::object{}));
  if (message->method == "tools/call") return read_call(*std::move(message));
  if (message->method == "tools/list") {
    McpAsk ask;
    ask.kind = McpAsk::Kind::list;
    ask.id = std::move(message->id);
    return ask;
  }
  return refused(message->id, kRpcNoMethod,
                 fmt::format("the gateway passes tools on and nothing else: there is no {}",
                             printable(message->method, 80)));
}

json::object mcp_tool_error(std::string_view text) {
  json::array content;
  content.push_back(json::object{{"type", "text"}, {"text", text}});
  return {{"content", std::move(content)}, {"isError", true}};
}

std::string_view mcp_server_of(std::string_view path) {
  if (!path.starts_with(kMcpPath)) return {};
  path.remove_prefix(kMcpPath.size());
  return path.find('/') == std::string_view::npos ? path : std::string_view{};
}

}  // namespace drover::gateway
