#pragma once
// What a unit says to `/mcp/NAME`, and what it is answered: MCP as a server speaks it, of which a
// unit has the tools and nothing else. Pure.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "gateway/json_rpc.h"

namespace drover::gateway {

inline constexpr std::string_view kMcpPath = "/mcp/";

struct McpAsk {
  enum class Kind : std::uint8_t {
    answer,    // `answer` is the reply
    accepted,  // there is nothing to reply to
    list,      // its tools
    call,      // one of them
  };
  Kind kind = Kind::accepted;
  std::string answer;
  json::value id;
  std::string tool;
  json::object arguments;
};

// One message of a unit, whatever it holds.
[[nodiscard]] McpAsk read_mcp_ask(std::string_view body);

// The result of a call that was not made or failed: the model reads why, as it reads what a tool
// says.
[[nodiscard]] json::object mcp_tool_error(std::string_view text);

// "/mcp/tickets" to "tickets"; empty for anything else.
[[nodiscard]] std::string_view mcp_server_of(std::string_view path);

}  // namespace drover::gateway
